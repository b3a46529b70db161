// Load through librdkafka, the client of most languages: how fast it can write and read, and latencies at a fixed rate.
//
//   client_load produce -b PORT -t TOPIC -s RECORD_BYTES -c RECORDS    linger 5 ms, batches up to 1 MB, acks 1
//   client_load consume -b PORT -t TOPIC -c RECORDS                    from the start of partition 0
//   client_load latency -b PORT -t TOPIC -s RECORD_BYTES -f RATE -d SECONDS -a ACKS
//                       one producer with linger 0, one consumer; latencies count from the moment a record was due (open
//                       loop); the first fifth of the time is not counted
//
// The topic has one partition. Prints one line of JSON.
//
//   gcc -O2 -o client_load client_load.c -lrdkafka -lpthread

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"

static struct {
  int port, record_bytes;
  long records;
  double rate, seconds;
  const char *topic, *acks;
} options = {9092, 100, 1000000, 1000, 10, "load", "1"};

static struct samples acknowledged, end_to_end;
static atomic_long delivered, error_count;
static double counted_from;
static atomic_int stopping, consumer_ready;

static rd_kafka_conf_t *configure(const char *const *pairs) {
  rd_kafka_conf_t *config = rd_kafka_conf_new();
  char error[512], servers[64];
  snprintf(servers, sizeof servers, "127.0.0.1:%d", options.port);
  rd_kafka_conf_set(config, "bootstrap.servers", servers, error, sizeof error);
  for (; pairs[0] != NULL; pairs += 2) {
    if (rd_kafka_conf_set(config, pairs[0], pairs[1], error, sizeof error) != RD_KAFKA_CONF_OK) fail("%s", error);
  }
  return config;
}

static rd_kafka_t *start(rd_kafka_type_t type, rd_kafka_conf_t *config) {
  char error[512];
  rd_kafka_t *client = rd_kafka_new(type, config, error, sizeof error);
  if (client == NULL) fail("%s", error);
  return client;
}

static void count_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  (void)client, (void)opaque;
  if (message->err != 0 && error_count++ == 0) fprintf(stderr, "not delivered: %s\n", rd_kafka_err2str(message->err));
  delivered++;
}

static void report(const char *mode, double started, double cpu_before, long records, double bytes) {
  printf("{\"mode\": \"%s\", \"librdkafka\": \"%s\", \"records\": %ld, \"bytes\": %.0f, \"seconds\": %.6f, ", mode,
         rd_kafka_version_str(), records, bytes, now_seconds() - started);
  printf("\"clientCpuSeconds\": %.3f, \"errors\": %ld", own_cpu_seconds() - cpu_before, (long)error_count);
}

static void produce(void) {
  rd_kafka_conf_t *config = configure((const char *[]){"linger.ms", "5", "batch.size", "1000000", "acks", options.acks,
                                                       "queue.buffering.max.messages", "500000", NULL});
  rd_kafka_conf_set_dr_msg_cb(config, count_delivery);
  rd_kafka_t *client = start(RD_KAFKA_PRODUCER, config);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(client, options.topic, NULL);
  char *value = allocate((size_t)options.record_bytes);
  memset(value, 'x', (size_t)options.record_bytes);
  double started = now_seconds(), cpu_before = own_cpu_seconds();
  for (long i = 0; i < options.records; i++) {
    // The queue is full: serve delivery reports until there is room.
    while (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, (size_t)options.record_bytes, NULL, 0, NULL) != 0) {
      rd_kafka_poll(client, 5);
    }
    if (i % 1000 == 0) rd_kafka_poll(client, 0);
  }
  while (delivered < options.records) rd_kafka_poll(client, 100);
  report("produce", started, cpu_before, options.records, (double)options.records * options.record_bytes);
  printf("}\n");
}

static rd_kafka_t *consumer_at(int64_t offset) {
  rd_kafka_conf_t *config = configure((const char *[]){"group.id", "load", "enable.auto.commit", "false",
                                                       "fetch.wait.max.ms", "500", "queued.min.messages", "1000000", NULL});
  rd_kafka_t *client = start(RD_KAFKA_CONSUMER, config);
  rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(partitions, options.topic, 0)->offset = offset;
  rd_kafka_assign(client, partitions);
  rd_kafka_topic_partition_list_destroy(partitions);
  rd_kafka_poll_set_consumer(client);
  return client;
}

static void consume(void) {
  enum { BATCH = 1000 };
  rd_kafka_message_t *messages[BATCH];
  rd_kafka_t *client = consumer_at(RD_KAFKA_OFFSET_BEGINNING);
  rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
  double started = 0, cpu_before = own_cpu_seconds(), bytes = 0;
  for (long records = 0; records < options.records;) {
    ssize_t count = rd_kafka_consume_batch_queue(queue, 10000, messages, BATCH);
    if (count <= 0) fail("no record for 10 s after %ld", records);
    if (started == 0) started = now_seconds();  // connecting is not what is measured
    for (ssize_t i = 0; i < count; i++) {
      if (messages[i]->err == 0) {
        records++;
        bytes += (double)messages[i]->len;
      }
      rd_kafka_message_destroy(messages[i]);
    }
  }
  report("consume", started, cpu_before, options.records, bytes);
  printf("}\n");
}

// Each record starts with the moment when it was due.
static double due_of(const rd_kafka_message_t *message) {
  double due;
  memcpy(&due, message->payload, sizeof due);
  return due;
}

static void *follow(void *argument) {
  rd_kafka_t *client = argument;
  while (!stopping) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 100);
    if (message == NULL) continue;
    if (message->err == 0) {
      consumer_ready = 1;
      if (due_of(message) >= counted_from) add_sample(&end_to_end, now_seconds() - due_of(message));
    }
    rd_kafka_message_destroy(message);
  }
  return NULL;
}

static void *serve_reports(void *argument) {
  while (stopping < 2) rd_kafka_poll(argument, 100);
  return NULL;
}

static void time_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
  count_delivery(client, message, opaque);
  if (message->err == 0 && due_of(message) >= counted_from) add_sample(&acknowledged, now_seconds() - due_of(message));
}

static void send_record(rd_kafka_topic_t *topic, char *value, double due) {
  memcpy(value, &due, sizeof due);
  while (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, value, (size_t)options.record_bytes, NULL, 0, NULL) != 0) {
    usleep(100);
  }
}

static void wait_until(double due) {
  for (double left; (left = due - now_seconds()) > 0;) {
    if (left < 2e-4) continue;  // a shorter sleep would come too late
    struct timespec pause = {.tv_sec = 0, .tv_nsec = left > 0.5 ? 500000000 : (long)((left - 1e-4) * 1e9)};
    nanosleep(&pause, NULL);
  }
}

static void latency(void) {
  rd_kafka_conf_t *config = configure((const char *[]){"linger.ms", "0", "acks", options.acks, NULL});
  rd_kafka_conf_set_dr_msg_cb(config, time_delivery);
  rd_kafka_t *producer = start(RD_KAFKA_PRODUCER, config);
  rd_kafka_t *consumer = consumer_at(RD_KAFKA_OFFSET_BEGINNING);
  rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, options.topic, NULL);
  pthread_t follower, server;
  counted_from = 1e300;
  pthread_create(&follower, NULL, follow, consumer);
  pthread_create(&server, NULL, serve_reports, producer);
  if (options.record_bytes < (int)sizeof(double)) fail("a record must hold the moment it was due: 8 bytes");
  char *value = allocate((size_t)options.record_bytes);
  for (double give_up = now_seconds() + 30; !consumer_ready;) {  // both ends are connected and warm
    if (now_seconds() > give_up) fail("no record came through within 30 s");
    send_record(topic, value, now_seconds());
    usleep(10000);
  }
  long total = (long)(options.rate * options.seconds);
  double started = now_seconds() + 0.1, cpu_before = own_cpu_seconds();
  counted_from = started + options.seconds / 5;
  for (long i = 0; i < total; i++) {
    double due = started + (double)i / options.rate;
    wait_until(due);
    send_record(topic, value, due);
  }
  rd_kafka_flush(producer, 30000);
  double ended = now_seconds();
  usleep(1000000);  // what is on its way to the consumer
  stopping = 1;
  pthread_join(follower, NULL);
  stopping = 2;
  pthread_join(server, NULL);
  report("latency", started, cpu_before, total, (double)total * options.record_bytes);
  print_counted(counted_from, ended);
  print_samples("ackMs", &acknowledged);
  print_samples("endToEndMs", &end_to_end);
  printf("}\n");
}

int main(int count, char **words) {
  if (count < 2) fail("usage: client_load produce|consume|latency ... (see the head of client_load.c)");
  optind = 2;
  for (int flag; (flag = getopt(count, words, "b:t:s:c:f:d:a:")) > 0;) {
    switch (flag) {
      case 'b': options.port = atoi(optarg); break;
      case 't': options.topic = optarg; break;
      case 's': options.record_bytes = atoi(optarg); break;
      case 'c': options.records = atol(optarg); break;
      case 'f': options.rate = atof(optarg); break;
      case 'd': options.seconds = atof(optarg); break;
      case 'a': options.acks = optarg; break;
      default: exit(1);
    }
  }
  if (strcmp(words[1], "produce") == 0) produce();
  else if (strcmp(words[1], "consume") == 0) consume();
  else if (strcmp(words[1], "latency") == 0) latency();
  else fail("unknown mode %s", words[1]);
  return 0;
}
