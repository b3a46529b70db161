// The Kafka protocol for load generators: frames that are built once, a connection, big-endian fields. Header only.
//
// Every broker since Apache Kafka 2.1 serves Produce v7, the first one that may carry zstd (KIP-110), and Fetch v4, the oldest one that
// Kafka 4 serves.

#ifndef WIRE_H
#define WIRE_H

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

enum { PRODUCE = 0, PRODUCE_VERSION = 7, FETCH = 1, FETCH_VERSION = 4 };

static inline uint8_t *put16(uint8_t *at, int16_t value) {
  uint16_t big = htobe16((uint16_t)value);
  memcpy(at, &big, 2);
  return at + 2;
}

static inline uint8_t *put32(uint8_t *at, int32_t value) {
  uint32_t big = htobe32((uint32_t)value);
  memcpy(at, &big, 4);
  return at + 4;
}

static inline uint8_t *put64(uint8_t *at, int64_t value) {
  uint64_t big = htobe64((uint64_t)value);
  memcpy(at, &big, 8);
  return at + 8;
}

static inline uint8_t *put_string(uint8_t *at, const char *text) {
  size_t length = strlen(text);
  at = put16(at, (int16_t)length);
  memcpy(at, text, length);
  return at + length;
}

static inline uint8_t *put_varint(uint8_t *at, int64_t value) {
  uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
  while (zigzag >= 128) {
    *at++ = (uint8_t)(zigzag | 128);
    zigzag >>= 7;
  }
  *at++ = (uint8_t)zigzag;
  return at;
}

static inline int varint_bytes(int64_t value) {
  uint8_t scratch[10];
  return (int)(put_varint(scratch, value) - scratch);
}

static inline int16_t get16(const uint8_t *at) {
  uint16_t big;
  memcpy(&big, at, 2);
  return (int16_t)be16toh(big);
}

static inline int32_t get32(const uint8_t *at) {
  uint32_t big;
  memcpy(&big, at, 4);
  return (int32_t)be32toh(big);
}

static inline int64_t get64(const uint8_t *at) {
  uint64_t big;
  memcpy(&big, at, 8);
  return (int64_t)be64toh(big);
}

// CRC-32C, a bit at a time: frames are built once, before the clock starts.
static inline uint32_t crc32c(const uint8_t *bytes, size_t count) {
  uint32_t crc = ~0u;
  while (count--) {
    crc ^= *bytes++;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

// A record batch of the load.
struct batch_shape {
  int record_bytes;
  int records;
};

// Upper bound of a frame that carries one batch.
static inline size_t frame_bytes_max(const struct batch_shape *shape) {
  return (size_t)shape->records * ((size_t)shape->record_bytes + 24) + 1024;
}

// Writes length and header of version 1; returns where the body starts. finish_frame() fills in the length.
static inline uint8_t *start_frame(uint8_t *frame, int key, int version) {
  uint8_t *at = put16(frame + 4, (int16_t)key);
  at = put16(at, (int16_t)version);
  at = put32(at, 7);  // correlation id: answers come in order
  return put_string(at, "load");
}

static inline size_t finish_frame(uint8_t *frame, const uint8_t *end) {
  put32(frame, (int32_t)(end - frame - 4));
  return (size_t)(end - frame);
}

// One batch of format 2 with values of random letters; returns its end.
//
//    0 baseOffset 8 | 8 batchLength 4 | 12 partitionLeaderEpoch 4 | 16 magic 1 | 17 crc 4 | 21 attributes 2
//   23 lastOffsetDelta 4 | 27 baseTimestamp 8 | 35 maxTimestamp 8 | 43 producerId 8 | 51 producerEpoch 2
//   53 baseSequence 4 | 57 recordsCount 4 | 61 records
static inline uint8_t *put_batch(uint8_t *batch, const struct batch_shape *shape) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  int64_t timestamp = time.tv_sec * 1000 + time.tv_nsec / 1000000;
  uint8_t *at = put64(batch, 0);
  at = put32(at, 0);
  at = put32(at, -1);
  *at++ = 2;
  at = put32(at, 0);
  at = put16(at, 0);
  at = put32(at, shape->records - 1);
  at = put64(at, timestamp);
  at = put64(at, timestamp);
  at = put64(at, -1);
  at = put16(at, -1);
  at = put32(at, -1);
  at = put32(at, shape->records);
  unsigned seed = 42;
  for (int i = 0; i < shape->records; i++) {
    int value = shape->record_bytes;
    at = put_varint(at, 1 + 1 + varint_bytes(i) + 1 + varint_bytes(value) + value + 1);
    *at++ = 0;              // attributes
    *at++ = 0;              // timestamp delta
    at = put_varint(at, i);  // offset delta
    *at++ = 1;              // key: null
    at = put_varint(at, value);
    for (int j = 0; j < value; j++) *at++ = (uint8_t)('a' + rand_r(&seed) % 26);
    *at++ = 0;  // headers
  }
  put32(batch + 8, (int32_t)(at - batch - 12));
  put32(batch + 17, (int32_t)crc32c(batch + 21, (size_t)(at - batch - 21)));
  return at;
}

// Writes a produce request for one partition up to its batch; returns where that belongs. finish_produce() has to follow.
static inline uint8_t *start_produce(uint8_t *frame, const char *topic, int partition, int acks) {
  uint8_t *at = start_frame(frame, PRODUCE, PRODUCE_VERSION);
  at = put16(at, -1);  // transactional id
  at = put16(at, (int16_t)acks);
  at = put32(at, 30000);
  at = put32(at, 1);
  at = put_string(at, topic);
  at = put32(at, 1);
  return put32(at, partition) + 4;
}

// Fills in the lengths of a frame whose batch lies from `batch` to `end`; returns the frame's length.
static inline size_t finish_produce(uint8_t *frame, uint8_t *batch, const uint8_t *end) {
  put32(batch - 4, (int32_t)(end - batch));
  return finish_frame(frame, end);
}

// Builds a produce request for one partition; returns its length.
static inline size_t build_produce(uint8_t *frame, const char *topic, int partition, int acks,
                                   const struct batch_shape *shape) {
  uint8_t *batch = start_produce(frame, topic, partition, acks);
  return finish_produce(frame, batch, put_batch(batch, shape));
}

// Builds a fetch request for one partition; returns its length.
static inline size_t build_fetch(uint8_t *frame, const char *topic, int partition, int64_t offset, int max_bytes) {
  uint8_t *at = start_frame(frame, FETCH, FETCH_VERSION);
  at = put32(at, -1);   // replica id: a consumer
  at = put32(at, 500);  // ms to wait for
  at = put32(at, 1);    // at least this many bytes
  at = put32(at, max_bytes);
  *at++ = 0;  // read uncommitted
  at = put32(at, 1);
  at = put_string(at, topic);
  at = put32(at, 1);
  at = put32(at, partition);
  at = put64(at, offset);
  at = put32(at, max_bytes);
  return finish_frame(frame, at);
}

// Places in an answer to build_produce() and build_fetch(), counted from the length field.
static inline size_t produce_error_at(const char *topic) { return 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4; }
static inline size_t fetch_error_at(const char *topic) { return 4 + 4 + 4 + 4 + 2 + strlen(topic) + 4 + 4; }

// Bytes of a fetch answer before its records, when there are no aborted transactions: the last four are their length.
static inline size_t fetch_head_bytes(const char *topic) { return fetch_error_at(topic) + 2 + 8 + 8 + 4 + 4; }

static inline int dial(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    fail("cannot connect to port %d: %s", port, strerror(errno));
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

// Sends or receives exactly `count` bytes on a blocking socket.
static inline void send_all(int fd, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) fail("the broker closed the connection");
    bytes += sent;
    count -= (size_t)sent;
  }
}

static inline void receive_all(int fd, uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t received = recv(fd, bytes, count, 0);
    if (received <= 0) fail("the broker closed the connection");
    bytes += received;
    count -= (size_t)received;
  }
}

#endif
