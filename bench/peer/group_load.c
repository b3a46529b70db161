// Members of classic consumer groups: the usual work of a coordinator, and a rebalance of many members.
//
//   group_load steady    -b PORT -t TOPIC -g PREFIX -n GROUPS [-j JOINS_PER_SECOND] [-f COMMITS_PER_SECOND]
//                        [-h HEARTBEATS_PER_SECOND] [-d SECONDS] [-P BROKER_PID]
//   group_load rebalance -b PORT -t TOPIC -g PREFIX -n MEMBERS -r ROUNDS [-P BROKER_PID]
//
// steady: GROUPS groups of one member, each with a connection of its own. They join (as clients do: for an id, then with it),
// synchronise, then commit and send heartbeats in turn at the given rates, each commit one offset of partition 0 of TOPIC. Open loop:
// latencies count from the moment a request was due, so a broker that stalls does not hide its own tail. The first fifth of the
// time is not counted.
//
// rebalance: one group. Its leader joins again, and so must all others: they send JoinGroup at once, and every member sends SyncGroup
// as soon as its JoinGroup is answered. The time counts from the last JoinGroup sent to the last SyncGroup answered.
//
// Prints one line of JSON. With -P the broker's CPU seconds of the counted part are in it.
//
//   gcc -O2 -o group_load group_load.c

#define _GNU_SOURCE
#include <sys/prctl.h>

#include "group_wire.h"

static struct {
  int port, members, rounds, broker;
  const char *prefix;
  double joins, commits, heartbeats, seconds;
} options = {.port = 9092, .members = 1, .rounds = 10, .prefix = "group", .seconds = 10};

static struct samples joins, syncs, commits, heartbeats;
static double counted_from;
static long committed, beaten;
static double last_commit_answered;

static struct member *next_in_turn(long *turn) { return &members[(*turn)++ % options.members]; }

static long stable_members;

static void on_steady(struct member *member, struct asked asked, const uint8_t *body) {
  double now = now_seconds();
  bool counts = asked.due >= counted_from;
  if (asked.key == JOIN_GROUP) {
    if (!take_joined(member, body)) return join(member, now);
    add_sample(&joins, now - asked.due);
    synchronise(member, member, 1);
  } else if (asked.key == SYNC_GROUP) {
    check(body, 4, "SyncGroup");
    add_sample(&syncs, now - asked.due);
    prepare_frames(member);
    stable_members++;
  } else if (asked.key == OFFSET_COMMIT) {
    check(body, 4 + 4 + 2 + strlen(topic) + 4 + 4, "OffsetCommit");
    committed++;
    if (counts) add_sample(&commits, now - asked.due), last_commit_answered = now;
  } else if (asked.key == HEARTBEAT) {
    check(body, 4, "Heartbeat");
    beaten++;
    if (counts) add_sample(&heartbeats, now - asked.due);
  }
}

// Most requests between two looks for answers, also when the program is late.
enum { BURST = 64 };

// Sends the due requests of a kind; returns when the next one is due.
static double send_due(double from, double rate, long *sent, long total, void (*send_one)(struct member *, long, double)) {
  static long turn;
  for (int burst = 0; *sent < total; burst++) {
    double due = from + (double)*sent / rate;
    if (burst == BURST || due > now_seconds()) return due;
    send_one(next_in_turn(&turn), (*sent)++, due);
  }
  return now_seconds() + 1;
}

static void send_commit(struct member *member, long index, double due) { commit(member, index, due); }

static void send_heartbeat(struct member *member, long index, double due) {
  (void)index;
  ask(member, member->heartbeat, member->heartbeat_bytes, due);
}

static void join_all(void) {
  double from = now_seconds();
  double give_up = from + 60;
  for (int joined = 0; stable_members < options.members;) {
    double next = now_seconds() + 1;
    for (; joined < options.members; joined++) {
      double due = options.joins > 0 ? from + joined / options.joins : from;
      if (due > now_seconds()) {
        next = due;
        break;
      }
      join(&members[joined], due);
    }
    wait_until(next, on_steady);
    if (now_seconds() > give_up) fail("%ld of %d groups are stable after 60 s", stable_members, options.members);
  }
  printf(", \"joinSeconds\": %.4f", now_seconds() - from);
}

static void run_steady(void) {
  join_all();
  double from = now_seconds(), cpu = 0;
  long commits_sent = 0, heartbeats_sent = 0;
  long commits_total = (long)(options.commits * options.seconds), heartbeats_total = (long)(options.heartbeats * options.seconds);
  counted_from = from + options.seconds / 5;
  long committed_before = 0;
  double own_cpu = 0;
  bool is_counting = false;
  double give_up = from + options.seconds * 3 + 30;
  while (committed < commits_total || beaten < heartbeats_total) {
    double next = send_due(from, options.commits, &commits_sent, commits_total, send_commit);
    double beat = send_due(from, options.heartbeats, &heartbeats_sent, heartbeats_total, send_heartbeat);
    wait_until(next < beat ? next : beat, on_steady);
    if (!is_counting && now_seconds() >= counted_from) {
      is_counting = true;
      cpu = cpu_seconds_of(options.broker);
      own_cpu = own_cpu_seconds();
      committed_before = committed;
    }
    if (now_seconds() > give_up) fail("%ld of %ld commits are answered", committed, commits_total);
  }
  if (commits_total + heartbeats_total == 0) return;
  printf(", \"commits\": %ld, \"commitsPerSecond\": %.1f, \"brokerCpuSeconds\": %.3f, \"clientCpuSeconds\": %.3f",
         committed - committed_before, (double)commits.count / (last_commit_answered - counted_from + 1e-9),
         cpu_seconds_of(options.broker) - cpu, own_cpu_seconds() - own_cpu);
}

static double last_join_answered, last_sync_answered, leader_synchronised;
static long joined_members, synchronised_members;
static bool is_rebalancing;

static void on_rebalance(struct member *member, struct asked asked, const uint8_t *body) {
  if (asked.key == JOIN_GROUP) {
    if (!take_joined(member, body)) {
      joined_members++;
      return;
    }
    joined_members++;
    synchronise(member, members, member == members ? options.members : 0);
    last_join_answered = now_seconds();
    if (member == members) leader_synchronised = last_join_answered;
  } else if (asked.key == SYNC_GROUP) {
    check(body, 4, "SyncGroup");
    synchronised_members++;
    last_sync_answered = now_seconds();
  } else if (asked.key == HEARTBEAT) {
    is_rebalancing = get16(body + 4) == REBALANCE_IN_PROGRESS;
  }
}

static void await(const long *count, long wanted, const char *what) {
  double give_up = now_seconds() + 60;
  while (*count < wanted) {
    wait_until(now_seconds() + 1, on_rebalance);
    if (now_seconds() > give_up) fail("%s: %ld of %ld after 60 s", what, *count, wanted);
  }
}

// Sends a request on a new connection; the answer's body is in `answer`.
static size_t call(int fd, const uint8_t *frame, size_t bytes, uint8_t *answer, size_t size) {
  uint8_t head[8];
  send_all(fd, frame, bytes);
  receive_all(fd, head, 8);
  size_t length = (size_t)get32(head) - 4;
  if (length > size) fail("an answer of %zu bytes", length);
  receive_all(fd, answer, length);
  return length;
}

// Error code of a group and the number of its members.
static int describe(int fd, const char *group, int *count) {
  static uint8_t answer[16 << 20];
  uint8_t frame[FRAME_BYTES_MAX];
  uint8_t *at = put_string(put32(start_frame(frame, DESCRIBE_GROUPS, 0), 1), group);
  call(fd, frame, finish_frame(frame, at), answer, sizeof answer);
  const uint8_t *found = answer + 4;
  *count = get32(skip_string(skip_string(skip_string(skip_string(found + 2)))));
  return get16(found);
}

// Waits until the coordinators of all groups serve.
static void await_coordinators(int fd) {
  uint8_t frame[FRAME_BYTES_MAX], answer[FRAME_BYTES_MAX];
  double give_up = now_seconds() + 60;
  for (int i = 0; i < options.members;) {
    int count, error = 0;
    uint8_t *at = put_string(start_frame(frame, FIND_COORDINATOR, 0), members[i].group);
    call(fd, frame, finish_frame(frame, at), answer, sizeof answer);
    error = get16(answer);
    if (error == 0) error = describe(fd, members[i].group, &count);
    if (error == 0) {
      i++;
      continue;
    }
    if (error != LOAD_IN_PROGRESS && error != NOT_AVAILABLE && error != NOT_COORDINATOR) fail("error code %d", error);
    if (now_seconds() > give_up) fail("the coordinator of %s is not at work after 60 s", members[i].group);
    usleep(10000);
  }
}

// Makes a group of all members by a rebalance like the counted ones; the first member leads.
static void assemble(int control) {
  for (int i = 0; i < options.members; i++) join(&members[i], now_seconds());
  await(&joined_members, options.members, "members have an id");
  join(&members[0], now_seconds());
  await(&synchronised_members, 1, "the leader is alone");
  for (int i = 1; i < options.members; i++) join(&members[i], now_seconds());
  double give_up = now_seconds() + 60;
  for (int count = 0; count < options.members;) {
    wait_until(now_seconds() + .01, on_rebalance);
    describe(control, members[0].group, &count);
    if (now_seconds() > give_up) fail("%d of %d members are in the group after 60 s", count, options.members);
  }
  synchronised_members = 0;
  join(&members[0], now_seconds());
  await(&synchronised_members, options.members, "members have synchronised");
}

static void run_rebalance(int control) {
  struct samples joined = {0}, synchronised = {0}, total = {0}, own = {0};
  assemble(control);
  double cpu = cpu_seconds_of(options.broker);
  for (int round = 0; round < options.rounds; round++) {
    joined_members = synchronised_members = 0;
    is_rebalancing = false;
    join(&members[0], now_seconds());
    for (double give_up = now_seconds() + 60; !is_rebalancing;) {
      prepare_frames(&members[1]);
      unsigned before = members[1].answered;
      ask(&members[1], members[1].heartbeat, members[1].heartbeat_bytes, now_seconds());
      while (members[1].answered == before) wait_until(now_seconds() + 1, on_rebalance);
      if (now_seconds() > give_up) fail("no rebalance after 60 s");
    }
    for (int i = 1; i < options.members; i++) join(&members[i], now_seconds());
    double sent = now_seconds(), own_before = own_cpu_seconds();
    await(&synchronised_members, options.members, "members have synchronised");
    add_sample(&joined, last_join_answered - sent);
    add_sample(&synchronised, last_sync_answered - leader_synchronised);
    add_sample(&total, last_sync_answered - sent);
    add_sample(&own, own_cpu_seconds() - own_before);
  }
  printf(", \"brokerCpuSeconds\": %.3f", cpu_seconds_of(options.broker) - cpu);
  print_samples("joinedMs", &joined);
  print_samples("synchronisedMs", &synchronised);
  print_samples("rebalanceMs", &total);
  print_samples("clientCpuMs", &own);
}

static void on_leave(struct member *member, struct asked asked, const uint8_t *body) {
  (void)member, (void)body;
  if (asked.key == LEAVE_GROUP) stable_members--;
}

// Members leave, so that no run pays for expiring members of the run before.
static void leave_all(void) {
  stable_members = options.members;
  for (int i = 0; i < options.members; i++) leave(&members[i]);
  double give_up = now_seconds() + 60;
  while (stable_members > 0) {
    wait_until(now_seconds() + 1, on_leave);
    if (now_seconds() > give_up) fail("%ld members could not leave", stable_members);
  }
}

int main(int argc, char **argv) {
  if (argc < 2 || (strcmp(argv[1], "steady") != 0 && strcmp(argv[1], "rebalance") != 0)) {
    fail("usage: group_load steady|rebalance FLAGS");
  }
  bool is_rebalance = strcmp(argv[1], "rebalance") == 0;
  optind = 2;
  for (int flag; (flag = getopt(argc, argv, "b:t:g:n:j:f:h:d:r:P:")) > 0;) {
    switch (flag) {
      case 'b': options.port = atoi(optarg); break;
      case 't': topic = optarg; break;
      case 'g': options.prefix = optarg; break;
      case 'n': options.members = atoi(optarg); break;
      case 'j': options.joins = atof(optarg); break;
      case 'f': options.commits = atof(optarg); break;
      case 'h': options.heartbeats = atof(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      case 'r': options.rounds = atoi(optarg); break;
      case 'P': options.broker = atoi(optarg); break;
      default: exit(1);
    }
  }
  if (strlen(topic) > 200 || strlen(options.prefix) > 100) fail("the topic's or the group's name is too long");
  if (options.members < (is_rebalance ? 2 : 1)) fail("too few members");
  prctl(PR_SET_TIMERSLACK, 1);  // the default of 50 us is the time between two commits
  poller = epoll_create1(0);
  members = allocate((size_t)options.members * sizeof *members);
  for (int i = 0; i < options.members; i++) {
    struct member *member = &members[i];
    member->fd = dial(options.port);
    snprintf(member->group, sizeof member->group, "%s-%d", options.prefix, is_rebalance ? 0 : i);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, member->fd, &event) != 0) fail("cannot watch a connection");
  }
  int control = dial(options.port);
  await_coordinators(control);
  printf("{\"members\": %d, \"errors\": 0", options.members);  // an error code ends the program
  if (is_rebalance) {
    run_rebalance(control);
  } else {
    run_steady();
    print_samples("joinMs", &joins);
    print_samples("syncMs", &syncs);
    print_samples("commitMs", &commits);
    print_samples("heartbeatMs", &heartbeats);
  }
  leave_all();
  printf("}\n");
  return 0;
}
