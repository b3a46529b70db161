// Waves of requests: at a bounded rate every connection sends its part of a wave, and the next wave waits until all are answered.
//
//   wave_load describe -b PORT -t TOPIC -n CONNECTIONS -e ELEMENTS -f WAVES_PER_SECOND -d SECONDS
//             one DescribeConfigs per connection that names TOPIC that many times: 8 bytes each when its name is one letter
//   wave_load epochs   ...   one OffsetForLeaderEpoch per connection that names partition 0 that many times: 12 bytes each
//   wave_load harmless -b PORT -t TOPIC -n CONNECTIONS -r BYTES -f WAVES_PER_SECOND -d SECONDS
//             as many bytes per connection as produce requests of 1 MB or less: the control
//
// Answers are read and dropped. A connection that the broker closes is counted and opened again for the next wave.
// Prints one line of JSON.
//
//   gcc -O2 -o wave_load wave_load.c

#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>

#include "wire.h"

enum {
  DESCRIBE_CONFIGS = 32,
  DESCRIBE_CONFIGS_VERSION = 1,
  OFFSET_FOR_LEADER_EPOCH = 23,
  OFFSET_FOR_LEADER_EPOCH_VERSION = 2,
  RESOURCE_TOPIC = 2,
  PRODUCE_BYTES_MAX = 1000000,
  RECORD_BYTES = 1000,
  CONNECTIONS_MAX = 4096,
  ELEMENTS_MAX = 1000000,
  POLL_MS = 100,
};

static struct {
  int port, connections;
  long elements, bytes;
  double rate, seconds;
  const char *topic;
} options = {9092, 1, 1000, 1000, 1, 10, "t"};

struct connection {
  int fd;  // -1: closed by the broker
  size_t sent;
  long unanswered;
  uint8_t head[4];
  size_t head_bytes;
  size_t left_bytes;  // of the answer behind its length
};

static uint8_t *wave;  // what each connection sends
static size_t wave_bytes;
static long wave_requests;
static long answered, answer_bytes, closed_by_broker;

static void build_describe(void) {
  wave = allocate((size_t)options.elements * (strlen(options.topic) + 7) + 1024);
  uint8_t *at = put32(start_frame(wave, DESCRIBE_CONFIGS, DESCRIBE_CONFIGS_VERSION), (int32_t)options.elements);
  for (long i = 0; i < options.elements; i++) {
    *at++ = RESOURCE_TOPIC;
    at = put32(put_string(at, options.topic), -1);  // all of its configuration
  }
  *at++ = 0;  // no synonyms
  wave_bytes = finish_frame(wave, at);
  wave_requests = 1;
}

static void build_epochs(void) {
  wave = allocate((size_t)options.elements * 12 + 1024);
  uint8_t *at = put32(start_frame(wave, OFFSET_FOR_LEADER_EPOCH, OFFSET_FOR_LEADER_EPOCH_VERSION), 1);
  at = put32(put_string(at, options.topic), (int32_t)options.elements);
  for (long i = 0; i < options.elements; i++) at = put32(put32(put32(at, 0), -1), 0);  // partition, current epoch, epoch
  wave_bytes = finish_frame(wave, at);
  wave_requests = 1;
}

static void build_harmless(void) {
  for (long left = options.bytes; left > 0; left -= PRODUCE_BYTES_MAX) {
    long bytes = left < PRODUCE_BYTES_MAX ? left : PRODUCE_BYTES_MAX;
    struct batch_shape shape = {RECORD_BYTES, (int)(bytes / RECORD_BYTES)};
    if (shape.records == 0) shape = (struct batch_shape){(int)bytes, 1};
    wave = realloc(wave, wave_bytes + frame_bytes_max(&shape));
    if (wave == NULL) fail("out of memory");
    wave_bytes += build_produce(wave + wave_bytes, options.topic, 0, 1, &shape);
    wave_requests++;
  }
}

static void drop(struct connection *connection) {
  close(connection->fd);
  connection->fd = -1;
  closed_by_broker++;
}

static bool is_done(const struct connection *connection) { return connection->fd < 0 || connection->unanswered == 0; }

// Sends as much as the socket takes.
static void send_more(struct connection *connection) {
  while (connection->sent < wave_bytes) {
    ssize_t sent = send(connection->fd, wave + connection->sent, wave_bytes - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent <= 0) return drop(connection);
    connection->sent += (size_t)sent;
  }
}

// Reads and drops what has arrived of the answers.
static void take_answers(struct connection *connection) {
  while (connection->unanswered > 0) {
    bool in_head = connection->left_bytes == 0;
    size_t wanted = in_head ? sizeof connection->head - connection->head_bytes : connection->left_bytes;
    ssize_t received = in_head ? recv(connection->fd, connection->head + connection->head_bytes, wanted, MSG_DONTWAIT)
                               : recv(connection->fd, NULL, wanted, MSG_DONTWAIT | MSG_TRUNC);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) return drop(connection);
    answer_bytes += received;
    if (in_head) {
      connection->head_bytes += (size_t)received;
      if (connection->head_bytes < sizeof connection->head) continue;
      connection->head_bytes = 0;
      connection->left_bytes = (size_t)get32(connection->head);
      continue;
    }
    connection->left_bytes -= (size_t)received;
    if (connection->left_bytes > 0) continue;
    connection->unanswered--;
    answered++;
  }
}

// Sends one wave and reads its answers, until all have arrived or the time is over.
static void run_wave(struct connection *connections, double end) {
  static struct pollfd polls[CONNECTIONS_MAX];
  for (int i = 0; i < options.connections; i++) {
    if (connections[i].fd < 0) connections[i] = (struct connection){.fd = dial(options.port)};
    connections[i].sent = 0;
    connections[i].unanswered = wave_requests;
  }
  for (int i = 0; i < options.connections; i++) send_more(&connections[i]);
  for (bool done = false; !done && now_seconds() < end;) {
    for (int i = 0; i < options.connections; i++) {
      short out = connections[i].sent < wave_bytes ? POLLOUT : 0;
      polls[i] = (struct pollfd){.fd = is_done(&connections[i]) ? -1 : connections[i].fd, .events = (short)(POLLIN | out)};
    }
    poll(polls, (nfds_t)options.connections, POLL_MS);
    done = true;
    for (int i = 0; i < options.connections; i++) {
      if (polls[i].fd >= 0 && polls[i].revents & POLLOUT) send_more(&connections[i]);
      if (connections[i].fd >= 0 && polls[i].fd >= 0 && polls[i].revents & ~POLLOUT) take_answers(&connections[i]);
      done = done && is_done(&connections[i]);
    }
  }
}

int main(int count, char **words) {
  if (count < 2) fail("usage: wave_load describe|epochs|harmless -b PORT ... (see the head of wave_load.c)");
  optind = 2;
  for (int flag; (flag = getopt(count, words, "b:t:n:e:r:f:d:")) > 0;) {
    switch (flag) {
      case 'b': options.port = atoi(optarg); break;
      case 't': options.topic = optarg; break;
      case 'n': options.connections = atoi(optarg); break;
      case 'e': options.elements = atol(optarg); break;
      case 'r': options.bytes = atol(optarg); break;
      case 'f': options.rate = atof(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      default: exit(1);
    }
  }
  if (options.connections < 1 || options.connections > CONNECTIONS_MAX) fail("1 to %d connections", CONNECTIONS_MAX);
  if (options.elements < 1 || options.elements > ELEMENTS_MAX) fail("1 to %d elements", ELEMENTS_MAX);
  if (strlen(options.topic) > 200) fail("the topic's name is too long");
  if (strcmp(words[1], "describe") == 0) build_describe();
  else if (strcmp(words[1], "epochs") == 0) build_epochs();
  else if (strcmp(words[1], "harmless") == 0) build_harmless();
  else fail("unknown mode %s", words[1]);
  struct connection *connections = allocate((size_t)options.connections * sizeof *connections);
  for (int i = 0; i < options.connections; i++) connections[i].fd = dial(options.port);
  double start = now_seconds(), end = start + options.seconds;
  long waves = 0;
  while (now_seconds() < end) {
    double left = start + (double)waves / options.rate - now_seconds();
    if (left > 0) {
      usleep((useconds_t)((left < POLL_MS / 1e3 ? left : POLL_MS / 1e3) * 1e6));
      continue;
    }
    run_wave(connections, end);
    waves++;
  }
  long unanswered = 0;
  for (int i = 0; i < options.connections; i++) unanswered += connections[i].fd < 0 ? 0 : connections[i].unanswered;
  printf("{\"waves\": %ld, \"waveBytes\": %zu, \"errors\": 0, \"answered\": %ld, \"answerBytes\": %ld, \"closed\": %ld, "
         "\"unanswered\": %ld, \"seconds\": %.3f}\n",
         waves, wave_bytes * (size_t)options.connections, answered, answer_bytes, closed_by_broker, unanswered,
         now_seconds() - start);
  return 0;
}
