// How long an honest client waits, measured by a very light load.
//
//   probe_load acks    -b PORT -t TOPIC -p PARTITIONS -n CONNECTIONS -f REQUESTS_PER_SECOND -d SECONDS
//             one record of 1 KB each, the connections in turn, each to its partition (connection modulo PARTITIONS)
//   probe_load connect -b PORT -f CONNECTIONS_PER_SECOND -d SECONDS
//             new connections, each of which asks for ApiVersions and is closed when that is answered
//   probe_load disk    -D DIRECTORY -f APPENDS_PER_SECOND -d SECONDS
//             no broker: 1 KB is appended to a file and forced to the disk by fdatasync(2), which is the lower bound for every broker
//
// Open loop: latencies count from the moment a request, or a connection, was due, so a broker that stalls does not hide its own
// tail; for the disk they are those of the calls alone. The first fifth of the time is not counted. A request that is not answered
// 30 s after the last one was due counts as answered then, and as missing. Prints one line of JSON.
//
//   gcc -O2 -o probe_load probe_load.c -lm

#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sys/prctl.h>

#include "wire.h"

enum { API_VERSIONS = 18, ANSWER_BYTES_MAX = 4096, CONNECTIONS_MAX = 4096, GIVE_UP_SECONDS = 30 };

// Most new connections that wait for their answer. It is below Apache Kafka's socket.listen.backlog.size of 50: beyond that the kernel
// drops connections and tries again after a second, so a burst after a stall would cause the next stall. Connections that wait here
// still count from the moment they were due.
enum { ARRIVING_MAX = 40 };

static struct {
  int port, partitions, connections;
  double rate, seconds;
  const char *topic, *directory;
} options = {9092, 1, 1, 1000, 10, "load", "."};

static struct samples latencies;
static double first_due, counted_from;
static long total, finished;

static double due(long index) { return first_due + (double)index / options.rate; }

static void count(long index) {
  if (due(index) >= counted_from) add_sample(&latencies, now_seconds() - due(index));
  finished++;
}

static void start_clock(void) {
  total = (long)(options.rate * options.seconds);
  first_due = now_seconds() + 0.1;
  counted_from = first_due + options.seconds / 5;
}

// Waits until a socket is ready, or until `until`.
static void wait_for(struct pollfd *polls, nfds_t count, double until) {
  double wait = fmin(fmax(0, until - now_seconds()), 1);
  struct timespec timeout = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - floor(wait)) * 1e9)};
  ppoll(polls, count, &timeout, NULL);
}

struct probe {
  int fd;
  uint8_t *frame;
  size_t frame_bytes;
  size_t unsent_bytes;  // of the due requests
  long answered;
  uint8_t answer[ANSWER_BYTES_MAX];
  size_t answer_bytes;
};

static void send_more(struct probe *probe) {
  while (probe->unsent_bytes > 0) {
    size_t left = (probe->unsent_bytes - 1) % probe->frame_bytes + 1;  // of the frame that is being sent
    ssize_t sent = send(probe->fd, probe->frame + (probe->frame_bytes - left), left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent <= 0) fail("the broker closed an honest client's connection");
    probe->unsent_bytes -= (size_t)sent;
  }
}

// Answers arrive in order: the k-th on connection c is for request k * connections + c.
static void take_answers(struct probe *probe, int connection) {
  ssize_t received = recv(probe->fd, probe->answer + probe->answer_bytes, ANSWER_BYTES_MAX - probe->answer_bytes, MSG_DONTWAIT);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) fail("the broker closed an honest client's connection");
  probe->answer_bytes += (size_t)received;
  size_t at = 0;
  while (probe->answer_bytes - at >= 4 && probe->answer_bytes - at >= (size_t)get32(probe->answer + at) + 4) {
    int16_t error = get16(probe->answer + at + produce_error_at(options.topic));
    if (error != 0) fail("produce is answered with error code %d", error);
    count(probe->answered++ * options.connections + connection);
    at += (size_t)get32(probe->answer + at) + 4;
  }
  memmove(probe->answer, probe->answer + at, probe->answer_bytes -= at);
}

// Returns how many are missing.
static long run_acks(void) {
  static struct pollfd polls[CONNECTIONS_MAX];
  const struct batch_shape shape = {1024, 1};
  struct probe *probes = allocate((size_t)options.connections * sizeof *probes);
  for (int i = 0; i < options.connections; i++) {
    probes[i] = (struct probe){.fd = dial(options.port), .frame = allocate(frame_bytes_max(&shape))};
    probes[i].frame_bytes = build_produce(probes[i].frame, options.topic, i % options.partitions, 1, &shape);
  }
  start_clock();
  double give_up = due(total) + GIVE_UP_SECONDS;
  for (long next = 0; finished < total && now_seconds() < give_up;) {
    for (; next < total && due(next) <= now_seconds(); next++) {
      struct probe *probe = &probes[next % options.connections];
      probe->unsent_bytes += probe->frame_bytes;
      send_more(probe);
    }
    for (int i = 0; i < options.connections; i++) {
      short out = probes[i].unsent_bytes > 0 ? POLLOUT : 0;
      polls[i] = (struct pollfd){.fd = probes[i].fd, .events = (short)(POLLIN | out)};
    }
    wait_for(polls, (nfds_t)options.connections, next < total ? due(next) : give_up);
    for (int i = 0; i < options.connections; i++) {
      if (polls[i].revents & POLLOUT) send_more(&probes[i]);
      if (polls[i].revents & ~POLLOUT) take_answers(&probes[i], i);
    }
  }
  long missing = total - finished;
  for (int i = 0; i < options.connections; i++) {
    for (long k = probes[i].answered; k * options.connections + i < total; k++) count(k * options.connections + i);
  }
  return missing;
}

// Returns how many are missing.
static long run_connect(void) {
  static struct pollfd polls[ARRIVING_MAX];
  static long index_of[ARRIVING_MAX];
  uint8_t frame[64], answer[ANSWER_BYTES_MAX];
  size_t bytes = finish_frame(frame, start_frame(frame, API_VERSIONS, 0));
  nfds_t open = 0;
  start_clock();
  double give_up = due(total) + GIVE_UP_SECONDS;
  for (long next = 0; finished < total && now_seconds() < give_up;) {
    for (; next < total && open < ARRIVING_MAX && due(next) <= now_seconds(); next++) {
      // Over loopback a connection is made as soon as the broker's queue has room, so this does not wait for the broker.
      polls[open] = (struct pollfd){.fd = dial(options.port), .events = POLLIN};
      send_all(polls[open].fd, frame, bytes);
      index_of[open++] = next;
    }
    wait_for(polls, open, next < total && open < ARRIVING_MAX ? due(next) : give_up);
    for (nfds_t i = open; i-- > 0;) {
      if (polls[i].revents == 0) continue;
      // An answer has a few hundred bytes, which the broker sends at once.
      ssize_t received = recv(polls[i].fd, answer, sizeof answer, MSG_DONTWAIT);
      if (received < 10) fail("ApiVersions is answered with %zd bytes", received);
      if (get16(answer + 8) != 0) fail("ApiVersions is answered with error code %d", get16(answer + 8));
      count(index_of[i]);
      close(polls[i].fd);
      polls[i] = polls[--open];
      index_of[i] = index_of[open];
    }
  }
  long missing = total - finished;
  for (nfds_t i = 0; i < open; i++) count(index_of[i]);
  return missing;
}

static long run_disk(void) {
  static const uint8_t bytes[1024];
  char path[4096];
  snprintf(path, sizeof path, "%s/probe-load-%d", options.directory, getpid());
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (fd < 0 || unlink(path) != 0) fail("cannot create %s: %s", path, strerror(errno));
  start_clock();
  for (double until = due(total); finished < total && now_seconds() < until; finished++) {
    while (now_seconds() < due(finished)) wait_for(NULL, 0, due(finished));
    double started = now_seconds();
    if (write(fd, bytes, sizeof bytes) != sizeof bytes || fdatasync(fd) != 0) fail("cannot write: %s", strerror(errno));
    if (started >= counted_from) add_sample(&latencies, now_seconds() - started);
  }
  return total - finished;
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage: probe_load acks|connect|disk ... (see the head of probe_load.c)");
  optind = 2;
  for (int flag; (flag = getopt(argc, argv, "b:t:p:n:f:d:D:")) > 0;) {
    switch (flag) {
      case 'b': options.port = atoi(optarg); break;
      case 't': options.topic = optarg; break;
      case 'p': options.partitions = atoi(optarg); break;
      case 'n': options.connections = atoi(optarg); break;
      case 'f': options.rate = atof(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      case 'D': options.directory = optarg; break;
      default: exit(1);
    }
  }
  if (options.connections < 1 || options.connections > CONNECTIONS_MAX) fail("1 to %d connections", CONNECTIONS_MAX);
  if (strlen(options.topic) > 200) fail("the topic's name is too long");
  prctl(PR_SET_TIMERSLACK, 1);  // instead of 50 us
  long missing = -1;
  if (strcmp(argv[1], "acks") == 0) missing = run_acks();
  else if (strcmp(argv[1], "connect") == 0) missing = run_connect();
  else if (strcmp(argv[1], "disk") == 0) missing = run_disk();
  else fail("unknown mode %s", argv[1]);
  printf("{\"mode\": \"%s\", \"errors\": 0, \"requests\": %ld, \"missing\": %ld, \"seconds\": %.3f", argv[1], total, missing,
         now_seconds() - first_due);
  print_samples("latencyMs", &latencies);
  printf("}\n");
  return 0;
}
