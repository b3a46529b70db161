// Load that is limited by the broker, not by the client: requests are built before the clock starts.
//
//   wire_load produce -b PORT[,PORT] -t TOPIC -p PARTITIONS -n CONNECTIONS -k IN_FLIGHT -s RECORD_BYTES -r RECORDS_PER_BATCH
//                     -c RECORDS -a ACKS [-P BROKER_PID] [-B BATCHES] [-f REQUESTS_PER_SECOND] [-d SECONDS]
//   wire_load fetch   -b PORT -t TOPIC -p PARTITIONS -n CONNECTIONS -c RECORDS -m MAX_BYTES [-P BROKER_PID]
//   wire_load floor   -c ROUND_TRIPS      100 bytes to another process and back over loopback: the lower bound for every broker
//
// Each connection uses its share of the partitions in turn. Prints one line of JSON; latencies are those of a closed loop
// (a full pipeline): use tail_load or client_load for latencies under a fixed rate. With -P the broker's CPU seconds are in it.
//
// BATCHES is a file of record batches, one behind the other, for the partitions in turn: compressed ones, for example. Each has
// RECORDS_PER_BATCH records with values of RECORD_BYTES, and what is counted are the bytes of those values. With -f requests are sent at
// that rate and no faster, to the connections in turn. With -d the load ends after that time, or with RECORDS.
//
// With several ports, the brokers that listen there get the connections in turn, and so the partitions: the topic must have been created
// so that they lead them in that order, and the number of connections must be a multiple of that of the ports.
//
//   gcc -O2 -o wire_load wire_load.c

#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "wire.h"

enum { IN_FLIGHT_MAX = 64, ANSWER_BYTES_MAX = 512, PORTS_MAX = 16 };

static struct {
  int ports[PORTS_MAX], ports_count, partitions, connections, in_flight, acks, max_bytes, broker;
  long records;
  double rate, seconds;  // 0: no limit
  const char *topic, *batches;
  struct batch_shape batch;
} options = {{9092}, 1, 1, 1, 5, 1, 1 << 20, 0, 1000000, 0, 0, "load", NULL, {100, 1000}};

struct producer {
  int fd;
  int partition;      // whose frame is being sent
  size_t sent_bytes;  // of that frame
  int unanswered;
  uint8_t answer[ANSWER_BYTES_MAX];
  size_t answer_bytes;
  double sent_at[IN_FLIGHT_MAX];  // ring of the unanswered requests' start times
  unsigned ring_head, ring_tail;
};

static struct samples ack_latency;
static long requests_sent, requests_left, answers_left, error_count;
static double next_due;  // when the next request may be sent; 0: now

// Sends until the pipeline or the socket is full, or everything is sent; returns the events to poll for.
static short pump(struct producer *producer, uint8_t *const *frames, const size_t *frame_bytes) {
  for (;;) {
    if (producer->sent_bytes == 0) {
      if (producer->unanswered >= options.in_flight || requests_left == 0) return POLLIN;
      if (next_due > 0 && now_seconds() < next_due) return POLLIN;
      if (next_due > 0) next_due += 1 / options.rate;
      requests_sent++;
      requests_left--;
      producer->unanswered++;
      producer->sent_at[producer->ring_tail++ % IN_FLIGHT_MAX] = now_seconds();
    }
    size_t bytes = frame_bytes[producer->partition];
    ssize_t sent = send(producer->fd, frames[producer->partition] + producer->sent_bytes, bytes - producer->sent_bytes,
                        MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return POLLIN | POLLOUT;
    if (sent < 0) fail("the broker closed the connection");
    producer->sent_bytes += (size_t)sent;
    if (producer->sent_bytes == bytes) {
      producer->sent_bytes = 0;
      producer->partition = (producer->partition + options.connections) % options.partitions;
    }
  }
}

static void take_answers(struct producer *producer) {
  ssize_t received =
      recv(producer->fd, producer->answer + producer->answer_bytes, ANSWER_BYTES_MAX - producer->answer_bytes, 0);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) fail("the broker closed the connection");
  producer->answer_bytes += (size_t)received;
  while (producer->answer_bytes >= 4) {
    size_t bytes = (size_t)get32(producer->answer) + 4;
    if (bytes > ANSWER_BYTES_MAX) fail("an answer of %zu bytes to a produce request", bytes);
    if (producer->answer_bytes < bytes) return;
    int16_t error = get16(producer->answer + produce_error_at(options.topic));
    if (error != 0 && error_count++ == 0) fprintf(stderr, "produce is answered with error code %d\n", error);
    add_sample(&ack_latency, now_seconds() - producer->sent_at[producer->ring_head++ % IN_FLIGHT_MAX]);
    producer->unanswered--;
    answers_left--;
    producer->answer_bytes -= bytes;
    memmove(producer->answer, producer->answer + bytes, producer->answer_bytes);
  }
}

// Clock and CPU time of both sides at the start of the load.
struct start {
  double seconds, own_cpu, broker_cpu;
};

static struct start start_now(void) {
  return (struct start){now_seconds(), own_cpu_seconds(), cpu_seconds_of(options.broker)};
}

static void report(const char *mode, struct start start, long records, double bytes) {
  double seconds = now_seconds() - start.seconds, broker_cpu = cpu_seconds_of(options.broker) - start.broker_cpu;
  printf("{\"mode\": \"%s\", \"records\": %ld, \"bytes\": %.0f, \"seconds\": %.6f, \"clientCpuSeconds\": %.3f, \"errors\": %ld",
         mode, records, bytes, seconds, own_cpu_seconds() - start.own_cpu, error_count);
  if (options.broker != 0) printf(", \"brokerCpuSeconds\": %.6f", broker_cpu);
  print_samples("ackMs", &ack_latency);
  printf("}\n");
}

// The batches of a file, for the partitions in turn.
static void build_frames_of_file(uint8_t **frames, size_t *frame_bytes) {
  static uint8_t bytes[64 << 20];
  FILE *file = fopen(options.batches, "rb");
  if (file == NULL) fail("cannot open %s: %s", options.batches, strerror(errno));
  size_t length = fread(bytes, 1, sizeof bytes, file), at = 0;
  fclose(file);
  for (int i = 0; i < options.partitions; i++) {
    if (at >= length) at = 0;
    size_t batch_bytes = length - at < 61 ? 61 : 12 + (size_t)get32(bytes + at + 8);
    if (length - at < batch_bytes) fail("%s does not hold whole batches", options.batches);
    if (get32(bytes + at + 57) != options.batch.records) fail("a batch of %d records", get32(bytes + at + 57));
    frames[i] = allocate(batch_bytes + 1024);
    uint8_t *batch = start_produce(frames[i], options.topic, i, options.acks);
    memcpy(batch, bytes + at, batch_bytes);
    frame_bytes[i] = finish_produce(frames[i], batch, batch + batch_bytes);
    at += batch_bytes;
  }
}

static void build_frames(uint8_t **frames, size_t *frame_bytes) {
  for (int i = 0; i < options.partitions; i++) {
    frames[i] = allocate(frame_bytes_max(&options.batch));
    frame_bytes[i] = build_produce(frames[i], options.topic, i, options.acks, &options.batch);
  }
}

// Waits until a socket is ready or the next request is due.
static void wait_for_work(struct pollfd *polls) {
  double wait = next_due > 0 && requests_left > 0 ? next_due - now_seconds() : 30;
  if (wait < 0) wait = requests_left > 0 ? 0.001 : 0;  // due, but the connections' pipelines are full
  struct timespec timeout = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9)};
  if (ppoll(polls, (nfds_t)options.connections, &timeout, NULL) == 0 && wait >= 30) {
    fail("no answer for 30 s, %ld are missing", answers_left);
  }
}

static int dial_in_turn(int connection) { return dial(options.ports[connection % options.ports_count]); }

static void produce(void) {
  uint8_t **frames = allocate((size_t)options.partitions * sizeof *frames);
  size_t *frame_bytes = allocate((size_t)options.partitions * sizeof *frame_bytes);
  (options.batches == NULL ? build_frames : build_frames_of_file)(frames, frame_bytes);
  struct producer *producers = allocate((size_t)options.connections * sizeof *producers);
  struct pollfd *polls = allocate((size_t)options.connections * sizeof *polls);
  for (int i = 0; i < options.connections; i++) {
    producers[i].fd = polls[i].fd = dial_in_turn(i);
    fcntl(producers[i].fd, F_SETFL, O_NONBLOCK);
    producers[i].partition = i % options.partitions;
  }
  requests_left = answers_left = options.records / options.batch.records;
  struct start start = start_now();
  if (options.rate > 0) next_due = start.seconds;
  for (int i = 0; i < options.connections; i++) polls[i].events = pump(&producers[i], frames, frame_bytes);
  while (answers_left > 0) {
    wait_for_work(polls);
    if (options.seconds > 0 && now_seconds() - start.seconds >= options.seconds) {
      answers_left -= requests_left;
      requests_left = 0;
    }
    long first = next_due > 0 ? requests_sent : 0;  // at a rate the connections send in turn
    for (int turn = 0; turn < options.connections; turn++) {
      int i = (int)((first + turn) % options.connections);
      if (polls[i].revents == 0 && next_due == 0) continue;
      if (polls[i].revents & (POLLIN | POLLHUP | POLLERR)) take_answers(&producers[i]);
      polls[i].events = pump(&producers[i], frames, frame_bytes);
    }
  }
  long records = requests_sent * options.batch.records;
  report("produce", start, records, (double)records * options.batch.record_bytes);
}

struct consumer {
  int fd;
  int partition;
};

static void ask(const struct consumer *consumer, const int64_t *offsets) {
  uint8_t frame[1024];
  size_t bytes =
      build_fetch(frame, options.topic, consumer->partition, offsets[consumer->partition], options.max_bytes);
  send_all(consumer->fd, frame, bytes);
}

// Receives one answer; moves the partition's offset behind its whole batches. Returns the number of records.
static long take_records(const struct consumer *consumer, int64_t *offsets, uint8_t *buffer, size_t buffer_bytes,
                         double *bytes) {
  receive_all(consumer->fd, buffer, 4);
  size_t length = (size_t)get32(buffer);
  if (length + 4 > buffer_bytes) fail("an answer of %zu bytes to a fetch of %d", length, options.max_bytes);
  receive_all(consumer->fd, buffer + 4, length);
  const uint8_t *at = buffer + fetch_error_at(options.topic);
  if (get16(at) != 0) fail("fetch is answered with error code %d", get16(at));
  int32_t aborted = get32(at + 2 + 8 + 8);
  at += 2 + 8 + 8 + 4 + (aborted > 0 ? (size_t)aborted * 16 : 0);
  int32_t records_bytes = get32(at);
  at += 4;
  const uint8_t *end = at + (records_bytes > 0 ? records_bytes : 0);
  long records = 0;
  while (end - at >= 61 && end - at >= 12 + get32(at + 8)) {
    offsets[consumer->partition] = get64(at) + get32(at + 23) + 1;
    records += get32(at + 57);
    at += 12 + get32(at + 8);
  }
  *bytes += records_bytes > 0 ? records_bytes : 0;
  return records;
}

static void fetch(void) {
  struct consumer *consumers = allocate((size_t)options.connections * sizeof *consumers);
  struct pollfd *polls = allocate((size_t)options.connections * sizeof *polls);
  int64_t *offsets = allocate((size_t)options.partitions * sizeof *offsets);
  size_t buffer_bytes = (size_t)options.max_bytes * 2 + (16 << 20);
  uint8_t *buffer = allocate(buffer_bytes);
  memset(buffer, 1, buffer_bytes);  // pages are touched before the clock starts
  for (int i = 0; i < options.connections; i++) {
    consumers[i] = (struct consumer){dial_in_turn(i), i % options.partitions};
    polls[i] = (struct pollfd){.fd = consumers[i].fd, .events = POLLIN};
  }
  double bytes = 0;
  struct start start = start_now();
  for (int i = 0; i < options.connections; i++) ask(&consumers[i], offsets);
  long records = 0;
  while (records < options.records) {
    if (poll(polls, (nfds_t)options.connections, 30000) == 0) fail("no answer for 30 s after %ld records", records);
    for (int i = 0; i < options.connections; i++) {
      if (polls[i].revents == 0) continue;
      records += take_records(&consumers[i], offsets, buffer, buffer_bytes, &bytes);
      consumers[i].partition = (consumers[i].partition + options.connections) % options.partitions;
      ask(&consumers[i], offsets);
    }
  }
  report("fetch", start, records, bytes);
}

static void floor_of_machine(void) {
  uint8_t message[100] = {0};
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t address_bytes = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1) ||
      getsockname(listener, (struct sockaddr *)&address, &address_bytes)) {
    fail("cannot listen: %s", strerror(errno));
  }
  pid_t child = fork();
  if (child == 0) {
    int fd = accept(listener, NULL, NULL), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (long i = 0; i < options.records; i++) {
      receive_all(fd, message, sizeof message);
      send_all(fd, message, sizeof message);
    }
    exit(0);
  }
  int fd = dial(ntohs(address.sin_port));
  struct start start = start_now();
  for (long i = 0; i < options.records; i++) {
    double sent = now_seconds();
    send_all(fd, message, sizeof message);
    receive_all(fd, message, sizeof message);
    add_sample(&ack_latency, now_seconds() - sent);
  }
  waitpid(child, NULL, 0);
  report("floor", start, options.records, 100.0 * (double)options.records);
}

static void read_ports(char *list) {
  options.ports_count = 0;
  for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
    if (options.ports_count == PORTS_MAX) fail("at most %d ports", PORTS_MAX);
    options.ports[options.ports_count++] = atoi(word);
  }
}

int main(int count, char **words) {
  if (count < 2) fail("usage: wire_load produce|fetch|floor ... (see the head of wire_load.c)");
  optind = 2;
  for (int flag; (flag = getopt(count, words, "b:t:p:n:k:s:r:c:a:m:P:B:f:d:")) > 0;) {
    long number = flag == 'b' || flag == 't' || flag == 'B' ? 0 : atol(optarg);
    switch (flag) {
      case 'b': read_ports(optarg); break;
      case 't': options.topic = optarg; break;
      case 'p': options.partitions = (int)number; break;
      case 'n': options.connections = (int)number; break;
      case 'k': options.in_flight = (int)number; break;
      case 's': options.batch.record_bytes = (int)number; break;
      case 'r': options.batch.records = (int)number; break;
      case 'c': options.records = number; break;
      case 'a': options.acks = (int)number; break;
      case 'm': options.max_bytes = (int)number; break;
      case 'P': options.broker = (int)number; break;
      case 'B': options.batches = optarg; break;
      case 'f': options.rate = atof(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      default: exit(1);
    }
  }
  if (options.in_flight > IN_FLIGHT_MAX) fail("at most %d requests in flight", IN_FLIGHT_MAX);
  if (options.ports_count == 0) fail("-b needs a port");
  if (strlen(options.topic) > 200) fail("the topic's name is too long");
  if (strcmp(words[1], "produce") == 0) produce();
  else if (strcmp(words[1], "fetch") == 0) fetch();
  else if (strcmp(words[1], "floor") == 0) floor_of_machine();
  else fail("unknown mode %s", words[1]);
  return 0;
}
