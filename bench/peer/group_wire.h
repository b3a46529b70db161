// Members of classic consumer groups for load generators: their requests, a queue of unanswered ones, and their answers. Header only.

#ifndef GROUP_WIRE_H
#define GROUP_WIRE_H

#include <stdbool.h>
#include <sys/epoll.h>

#include "wire.h"

// The newest versions that are not flexible (KIP-482): their frames are simpler, and brokers do the same work.
enum {
  OFFSET_COMMIT = 8,
  OFFSET_COMMIT_VERSION = 7,
  FIND_COORDINATOR = 10,
  JOIN_GROUP = 11,
  JOIN_GROUP_VERSION = 5,
  HEARTBEAT = 12,
  HEARTBEAT_VERSION = 3,
  LEAVE_GROUP = 13,
  LEAVE_GROUP_VERSION = 3,
  SYNC_GROUP = 14,
  SYNC_GROUP_VERSION = 3,
  DESCRIBE_GROUPS = 15,
};

enum { LOAD_IN_PROGRESS = 14, NOT_AVAILABLE = 15, NOT_COORDINATOR = 16, REBALANCE_IN_PROGRESS = 27, ID_REQUIRED = 79 };

enum { FRAME_BYTES_MAX = 1024, ID_BYTES_MAX = 128, QUEUE = 4096, SESSION_MS = 45000, REBALANCE_MS = 60000 };

// A request that waits for its answer.
struct asked {
  int key;
  double due;
};

struct member {
  int fd;
  char group[ID_BYTES_MAX], id[ID_BYTES_MAX];
  int32_t generation;
  uint8_t *in;  // answers, the first one from its length field on
  size_t in_bytes, in_size;
  struct asked queue[QUEUE];  // a ring: answers come in order
  unsigned asked, answered;
  uint8_t commit[FRAME_BYTES_MAX], heartbeat[FRAME_BYTES_MAX];
  size_t commit_bytes, commit_offset_at, heartbeat_bytes;
};

// Set by the program.
static struct member *members;
static int poller;
static const char *topic;

static inline void ask(struct member *member, const uint8_t *frame, size_t bytes, double due) {
  if (member->asked - member->answered == QUEUE) fail("%d requests of one member are not answered", QUEUE);
  member->queue[member->asked++ % QUEUE] = (struct asked){get16(frame + 4), due};
  send_all(member->fd, frame, bytes);
}

static inline uint8_t *put_bytes(uint8_t *at, const uint8_t *bytes, int32_t count) {
  at = put32(at, count);
  memcpy(at, bytes, (size_t)count);
  return at + count;
}

// What a Java consumer sends: ConsumerProtocolSubscription, or ConsumerProtocolAssignment with partition 0.
static inline int32_t consumer_bytes(uint8_t *bytes, bool is_assignment) {
  uint8_t *at = put_string(put32(put16(bytes, 0), 1), topic);
  if (is_assignment) at = put32(put32(at, 1), 0);
  return (int32_t)(put32(at, -1) - bytes);
}

static inline void join(struct member *member, double due) {
  uint8_t frame[FRAME_BYTES_MAX], metadata[512];
  uint8_t *at = put_string(start_frame(frame, JOIN_GROUP, JOIN_GROUP_VERSION), member->group);
  at = put32(put32(at, SESSION_MS), REBALANCE_MS);
  at = put16(put_string(at, member->id), -1);  // group instance id
  at = put32(put_string(at, "consumer"), 1);
  at = put_bytes(put_string(at, "range"), metadata, consumer_bytes(metadata, false));
  ask(member, frame, finish_frame(frame, at), due);
}

// The leader's request has an assignment for each member.
static inline void synchronise(struct member *member, const struct member *first, int count) {
  size_t size = FRAME_BYTES_MAX + (size_t)count * FRAME_BYTES_MAX;
  uint8_t *frame = count > 0 ? allocate(size) : (uint8_t[FRAME_BYTES_MAX]){0};
  uint8_t assignment[512];
  int32_t assignment_bytes = consumer_bytes(assignment, true);
  uint8_t *at = put_string(start_frame(frame, SYNC_GROUP, SYNC_GROUP_VERSION), member->group);
  at = put16(put_string(put32(at, member->generation), member->id), -1);
  at = put32(at, count);
  for (int i = 0; i < count; i++) at = put_bytes(put_string(at, first[i].id), assignment, assignment_bytes);
  ask(member, frame, finish_frame(frame, at), now_seconds());
  if (count > 0) free(frame);
}

static inline void leave(struct member *member) {
  uint8_t frame[FRAME_BYTES_MAX];
  uint8_t *at = put_string(start_frame(frame, LEAVE_GROUP, LEAVE_GROUP_VERSION), member->group);
  at = put16(put_string(put32(at, 1), member->id), -1);
  ask(member, frame, finish_frame(frame, at), now_seconds());
}

// Frequent frames are built once.
static inline void prepare_frames(struct member *member) {
  uint8_t *at = put_string(start_frame(member->heartbeat, HEARTBEAT, HEARTBEAT_VERSION), member->group);
  at = put16(put_string(put32(at, member->generation), member->id), -1);
  member->heartbeat_bytes = finish_frame(member->heartbeat, at);
  at = put_string(start_frame(member->commit, OFFSET_COMMIT, OFFSET_COMMIT_VERSION), member->group);
  at = put16(put_string(put32(at, member->generation), member->id), -1);
  at = put_string(put32(at, 1), topic);
  at = put32(put32(at, 1), 0);
  member->commit_offset_at = (size_t)(at - member->commit);
  at = put_string(put32(put64(at, 0), -1), "");
  member->commit_bytes = finish_frame(member->commit, at);
}

static inline void commit(struct member *member, int64_t offset, double due) {
  put64(member->commit + member->commit_offset_at, offset);
  ask(member, member->commit, member->commit_bytes, due);
}

static inline const uint8_t *skip_string(const uint8_t *at) { return at + 2 + (get16(at) > 0 ? get16(at) : 0); }

static inline void take_id(char *id, const uint8_t *at) {
  int length = get16(at);
  if (length <= 0 || length >= ID_BYTES_MAX) fail("a member id of %d bytes", length);
  memcpy(id, at + 2, (size_t)length);
  id[length] = 0;
}

// Takes id and generation from the answer to a JoinGroup; returns false when it has only an id to join with.
static inline bool take_joined(struct member *member, const uint8_t *body) {
  int error = get16(body + 4);
  if (error != 0 && error != ID_REQUIRED) fail("JoinGroup is answered with error code %d", error);
  member->generation = get32(body + 6);
  take_id(member->id, skip_string(skip_string(body + 10)));  // behind the names of protocol and leader
  return error == 0;
}

// Called with each answer; `body` is behind the correlation id.
typedef void on_answer(struct member *member, struct asked asked, const uint8_t *body);

// Handles all answers that have arrived.
static inline void receive(struct member *member, on_answer *on) {
  for (;;) {
    if (member->in_size - member->in_bytes < FRAME_BYTES_MAX) {
      member->in_size = member->in_size * 2 + 4 * FRAME_BYTES_MAX;
      member->in = realloc(member->in, member->in_size);
      if (member->in == NULL) fail("out of memory");
    }
    ssize_t received = recv(member->fd, member->in + member->in_bytes, member->in_size - member->in_bytes, MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) fail("the broker closed a member's connection");
    member->in_bytes += (size_t)received;
    size_t at = 0;
    while (member->in_bytes - at >= 4 && member->in_bytes - at >= 4 + (size_t)get32(member->in + at)) {
      const uint8_t *answer = member->in + at;
      at += 4 + (size_t)get32(answer);
      on(member, member->queue[member->answered++ % QUEUE], answer + 8);
    }
    memmove(member->in, member->in + at, member->in_bytes - at);
    member->in_bytes -= at;
  }
}

// Waits for answers until a moment and handles them.
static inline void wait_until(double moment, on_answer *on) {
  struct epoll_event events[256];
  double left = moment - now_seconds();
  if (left < 0) left = 0;
  struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
  int count = epoll_pwait2(poller, events, 256, &time, NULL);
  if (count < 0 && errno != EINTR) fail("cannot wait for answers: %s", strerror(errno));
  for (int i = 0; i < count; i++) receive(&members[events[i].data.u32], on);
}

static inline void check(const uint8_t *body, size_t at, const char *what) {
  if (get16(body + at) != 0) fail("%s is answered with error code %d", what, get16(body + at));
}

#endif
