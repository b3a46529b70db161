// Clients that misbehave for a while, so that the latencies of others beside them can be measured.
//
//   hostile_load undrained -b PORT -t TOPIC -n CONNECTIONS -d SECONDS   each asks for 1 MB four times and reads nothing
//   hostile_load trickle   -b PORT -t TOPIC -n CONNECTIONS -d SECONDS   each sends a produce of 250 KB, one byte a second
//   hostile_load flood     -b PORT -f PER_SECOND -d SECONDS             connects, sends nothing, resets
//
// A connection that the broker closes stays closed and is counted. Prints one line of JSON.
//
//   gcc -O2 -o hostile_load hostile_load.c

#define _GNU_SOURCE
#include <fcntl.h>

#include "wire.h"

enum { UNREAD_FETCHES = 4, RECEIVE_BUFFER_BYTES = 4096, TICK_MICROSECONDS = 1000 };

static struct {
  int port, connections;
  double rate, seconds;
  const char *topic;
} options = {9092, 1000, 5000, 10, "load"};

static long opened, closed_by_broker, refused;

static void wait_a_tick(void) { usleep(TICK_MICROSECONDS); }

// Opens the connections; `receive_bytes` > 0 keeps their receive buffers small.
static int *dial_all(int receive_bytes) {
  int *fds = allocate((size_t)options.connections * sizeof(int));
  for (int i = 0; i < options.connections; i++) {
    fds[i] = dial(options.port);
    if (receive_bytes > 0) setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    fcntl(fds[i], F_SETFL, O_NONBLOCK);
    opened++;
  }
  return fds;
}

// Sends as much as the socket takes; a closed connection becomes -1.
static void send_some(int *fd, const uint8_t *bytes, size_t count) {
  if (*fd < 0) return;
  if (send(*fd, bytes, count, MSG_NOSIGNAL) >= 0 || errno == EAGAIN) return;
  close(*fd);
  *fd = -1;
  closed_by_broker++;
}

static void run_undrained(double end) {
  uint8_t frame[1024];
  int *fds = dial_all(RECEIVE_BUFFER_BYTES);
  size_t bytes = build_fetch(frame, options.topic, 0, 0, 1 << 20);
  for (int i = 0; i < options.connections; i++) {
    for (int k = 0; k < UNREAD_FETCHES; k++) send_some(&fds[i], frame, bytes);
  }
  while (now_seconds() < end) wait_a_tick();
}

static void run_trickle(double end) {
  // Apache Kafka allocates the announced size of a request: 1 MB for each of 1,000 connections is more than a heap of 1 GiB holds.
  const struct batch_shape shape = {1000, 250};
  uint8_t *frame = allocate(frame_bytes_max(&shape));
  size_t bytes = build_produce(frame, options.topic, 0, 1, &shape), sent = 0;
  int *fds = dial_all(0);
  while (now_seconds() < end && sent < bytes) {
    double next = now_seconds() + 1;
    for (int i = 0; i < options.connections; i++) send_some(&fds[i], frame + sent, 1);
    sent++;
    while (now_seconds() < next) wait_a_tick();
  }
}

static void run_flood(double end) {
  const struct linger reset = {1, 0};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  double start = now_seconds();
  while (now_seconds() < end) {
    if ((double)opened / options.rate > now_seconds() - start) {
      wait_a_tick();
      continue;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) refused++;
    opened++;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage: hostile_load undrained|trickle|flood -b PORT ...");
  const char *mode = argv[1];
  optind = 2;
  for (int flag; (flag = getopt(argc, argv, "b:t:n:f:d:")) != -1;) {
    if (flag == 'b') options.port = atoi(optarg);
    else if (flag == 't') options.topic = optarg;
    else if (flag == 'n') options.connections = atoi(optarg);
    else if (flag == 'f') options.rate = atof(optarg);
    else if (flag == 'd') options.seconds = atof(optarg);
    else fail("unknown flag");
  }
  double start = now_seconds(), end = start + options.seconds;
  if (strcmp(mode, "undrained") == 0) run_undrained(end);
  else if (strcmp(mode, "trickle") == 0) run_trickle(end);
  else if (strcmp(mode, "flood") == 0) run_flood(end);
  else fail("there is no load %s", mode);
  printf("{\"records\": 0, \"bytes\": 0, \"seconds\": %.3f, \"errors\": 0, \"opened\": %ld, \"closed\": %ld, "
         "\"refused\": %ld}\n", now_seconds() - start, opened, closed_by_broker, refused);
  return 0;
}
