// One producer at a fixed rate and many consumers at the end of the log: end-to-end latency under fan-out.
//
//   tail_load -b PORT -t TOPIC -n CONSUMERS -s RECORD_BYTES -r RECORDS_PER_BATCH -f BATCHES_PER_SECOND -d SECONDS
//
// The topic is new and has one partition. Latencies count from the moment a batch was due (open loop: a broker that stalls
// does not hide its own tail) to the moment its last byte is with a consumer, or its acknowledgement with the producer. The
// first fifth of the time is not counted. Consumers let the kernel throw the records away (MSG_TRUNC), so that the client's own
// copying does not slow what is measured. Prints one line of JSON.
//
//   gcc -O2 -o tail_load tail_load.c

#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <poll.h>

#include "wire.h"

enum { HEAD_BYTES_MAX = 512, FETCH_BYTES_MAX = 1 << 20 };

static struct {
  int port, consumers;
  const char *topic;
  struct batch_shape batch;
  double rate, seconds;
} options = {9092, 1, "tail", {1024, 16}, 1000, 10};

struct consumer {
  int fd;
  int64_t offset;
  uint8_t head[HEAD_BYTES_MAX];  // the answer up to and with the first batch's base offset
  size_t head_bytes;
  size_t left_bytes;  // of the records, behind the head
};

static struct samples end_to_end, acknowledged;
static double first_due, counted_from;
static long batches_sent, batches_acknowledged, deliveries;
static size_t batch_bytes, head_bytes;

static double due(long batch) { return first_due + (double)batch / options.rate; }

static void ask(struct consumer *consumer) {
  uint8_t frame[1024];
  size_t bytes = build_fetch(frame, options.topic, 0, consumer->offset, FETCH_BYTES_MAX);
  consumer->head_bytes = consumer->left_bytes = 0;
  send_all(consumer->fd, frame, bytes);
}

// Counts each batch of a whole answer.
static void count_answer(struct consumer *consumer, int32_t records_bytes) {
  double now = now_seconds();
  long first = (long)(get64(consumer->head + head_bytes) / options.batch.records);
  long batches = records_bytes / (long)batch_bytes;
  for (long i = first; i < first + batches; i++) {
    if (due(i) >= counted_from) add_sample(&end_to_end, now - due(i));
  }
  deliveries += batches;
  consumer->offset = (int64_t)(first + batches) * options.batch.records;
}

// Reads what has arrived of the answer; sends the next fetch when it is complete.
static void take(struct consumer *consumer) {
  for (;;) {
    size_t wanted = head_bytes;
    if (consumer->head_bytes >= head_bytes && get32(consumer->head + head_bytes - 4) > 0) wanted += 8;
    if (consumer->head_bytes < wanted) {
      ssize_t received = recv(consumer->fd, consumer->head + consumer->head_bytes, wanted - consumer->head_bytes, MSG_DONTWAIT);
      if (received < 0 && errno == EAGAIN) return;
      if (received <= 0) fail("the broker closed a consumer's connection");
      consumer->head_bytes += (size_t)received;
      if (consumer->head_bytes < wanted) continue;
      if (get16(consumer->head + fetch_error_at(options.topic)) != 0) {
        fail("fetch is answered with error code %d", get16(consumer->head + fetch_error_at(options.topic)));
      }
      int32_t records_bytes = get32(consumer->head + head_bytes - 4);
      if (records_bytes <= 0) return ask(consumer);
      if (wanted == head_bytes) continue;
      consumer->left_bytes = (size_t)records_bytes - 8;
    }
    while (consumer->left_bytes > 0) {
      ssize_t dropped = recv(consumer->fd, NULL, consumer->left_bytes, MSG_DONTWAIT | MSG_TRUNC);
      if (dropped < 0 && errno == EAGAIN) return;
      if (dropped <= 0) fail("the broker closed a consumer's connection");
      consumer->left_bytes -= (size_t)dropped;
    }
    count_answer(consumer, get32(consumer->head + head_bytes - 4));
    return ask(consumer);
  }
}

struct producer {
  int fd;
  uint8_t *frame;
  size_t frame_bytes, sent_bytes;
  uint8_t answer[HEAD_BYTES_MAX];
  size_t answer_bytes;
};

// Sends the due batches as far as the socket takes them; returns the events to poll for.
static short send_due(struct producer *producer, long total) {
  while (producer->sent_bytes > 0 || (batches_sent < total && due(batches_sent) <= now_seconds())) {
    ssize_t sent = send(producer->fd, producer->frame + producer->sent_bytes, producer->frame_bytes - producer->sent_bytes,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) return POLLIN | POLLOUT;
    if (sent < 0) fail("the broker closed the producer's connection");
    producer->sent_bytes += (size_t)sent;
    if (producer->sent_bytes == producer->frame_bytes) {
      producer->sent_bytes = 0;
      batches_sent++;
    }
  }
  return POLLIN;
}

static void take_acknowledgements(struct producer *producer) {
  ssize_t received = recv(producer->fd, producer->answer + producer->answer_bytes, HEAD_BYTES_MAX - producer->answer_bytes,
                          MSG_DONTWAIT);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) fail("the broker closed the producer's connection");
  producer->answer_bytes += (size_t)received;
  while (producer->answer_bytes >= 4 && producer->answer_bytes >= (size_t)get32(producer->answer) + 4) {
    size_t bytes = (size_t)get32(producer->answer) + 4;
    if (get16(producer->answer + produce_error_at(options.topic)) != 0) fail("produce is answered with an error");
    double was_due = due(batches_acknowledged++);
    if (was_due >= counted_from) add_sample(&acknowledged, now_seconds() - was_due);
    producer->answer_bytes -= bytes;
    memmove(producer->answer, producer->answer + bytes, producer->answer_bytes);
  }
}

static void run(struct producer *producer, struct consumer *consumers) {
  long total = (long)(options.rate * options.seconds);
  nfds_t count = (nfds_t)options.consumers + 1;
  struct pollfd *polls = allocate(count * sizeof *polls);
  polls[0].fd = producer->fd;
  for (int i = 0; i < options.consumers; i++) polls[i + 1] = (struct pollfd){.fd = consumers[i].fd, .events = POLLIN};
  first_due = now_seconds() + 0.5;
  counted_from = first_due + options.seconds / 5;
  // What has not arrived ten seconds after the last batch is left out.
  double give_up = due(total) + 10;
  while (deliveries < total * options.consumers || batches_acknowledged < total) {
    double now = now_seconds();
    if (now > give_up) break;
    polls[0].events = send_due(producer, total);
    double wait = batches_sent < total ? fmax(0, due(batches_sent) - now_seconds()) : 0.1;
    struct timespec timeout = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - floor(wait)) * 1e9)};
    if (ppoll(polls, count, &timeout, NULL) <= 0) continue;
    if (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) take_acknowledgements(producer);
    for (nfds_t i = 1; i < count; i++) {
      if (polls[i].revents) take(&consumers[i - 1]);
    }
  }
  double ended = now_seconds();
  printf("{\"mode\": \"tail\", \"batches\": %ld, \"missing\": %ld, \"batchBytes\": %zu", total,
         total * options.consumers - deliveries, batch_bytes);
  print_counted(counted_from, ended);
}

int main(int count, char **words) {
  for (int flag; (flag = getopt(count, words, "b:t:n:s:r:f:d:")) > 0;) {
    switch (flag) {
      case 'b': options.port = atoi(optarg); break;
      case 't': options.topic = optarg; break;
      case 'n': options.consumers = atoi(optarg); break;
      case 's': options.batch.record_bytes = atoi(optarg); break;
      case 'r': options.batch.records = atoi(optarg); break;
      case 'f': options.rate = atof(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      default: exit(1);
    }
  }
  if (strlen(options.topic) > 200) fail("the topic's name is too long");
  head_bytes = fetch_head_bytes(options.topic);
  uint8_t *batch = allocate(frame_bytes_max(&options.batch));
  batch_bytes = (size_t)(put_batch(batch, &options.batch) - batch);
  struct producer producer = {.fd = dial(options.port), .frame = allocate(frame_bytes_max(&options.batch))};
  producer.frame_bytes = build_produce(producer.frame, options.topic, 0, 1, &options.batch);
  struct consumer *consumers = allocate((size_t)options.consumers * sizeof *consumers);
  for (int i = 0; i < options.consumers; i++) {
    consumers[i].fd = dial(options.port);
    ask(&consumers[i]);
  }
  double cpu_before = own_cpu_seconds();
  run(&producer, consumers);
  printf(", \"clientCpuSeconds\": %.3f", own_cpu_seconds() - cpu_before);
  print_samples("ackMs", &acknowledged);
  print_samples("endToEndMs", &end_to_end);
  printf("}\n");
  return 0;
}
