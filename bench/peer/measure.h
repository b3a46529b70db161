// Clocks, latency samples and the one line of JSON that every load generator prints. Header only.

#ifndef MEASURE_H
#define MEASURE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// The part of a run whose latencies count, in wall-clock time, which other processes can compare.
static inline void print_counted(double from, double to) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  double epoch = (double)time.tv_sec + (double)time.tv_nsec / 1e9 - now_seconds();
  printf(", \"countedMs\": {\"from\": %.1f, \"to\": %.1f}", (epoch + from) * 1e3, (epoch + to) * 1e3);
}

// CPU seconds, user and system, that this process has used.
static inline double own_cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Ends the program with a sentence and exit code 1.
__attribute__((format(printf, 1, 2), noreturn)) static inline void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

// CPU seconds, user and system, that all threads of another process have used, in nanoseconds: /proc/PID/stat counts in steps of 10 ms,
// which is 2 % of a run of half a second. 0 for process 0.
static inline double cpu_seconds_of(int process) {
  clockid_t clock;
  struct timespec time;
  if (process == 0) return 0;
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0) fail("there is no process %d", process);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void *allocate(size_t bytes) {
  void *memory = calloc(1, bytes);
  if (memory == NULL) fail("out of memory: %zu bytes", bytes);
  return memory;
}

// Latencies in seconds; grows as needed.
struct samples {
  double *values;
  long count;
  long capacity;
};

static inline void add_sample(struct samples *samples, double seconds) {
  if (samples->count == samples->capacity) {
    samples->capacity = samples->capacity ? samples->capacity * 2 : 1 << 16;
    samples->values = realloc(samples->values, (size_t)samples->capacity * sizeof(double));
    if (samples->values == NULL) fail("out of memory for %ld samples", samples->capacity);
  }
  samples->values[samples->count++] = seconds;
}

static inline int compare_doubles(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return a < b ? -1 : a > b;
}

// Prints `, "NAME": {"count": ..., "p50": ..., ...}` in milliseconds; nothing when there are no samples.
static inline void print_samples(const char *name, struct samples *samples) {
  if (samples->count == 0) return;
  qsort(samples->values, (size_t)samples->count, sizeof(double), compare_doubles);
  const double *v = samples->values;
  long n = samples->count;
  printf(", \"%s\": {\"count\": %ld, \"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"p999\": %.4f, \"max\": %.4f}", name, n,
         v[n / 2] * 1e3, v[n * 9 / 10] * 1e3, v[n * 99 / 100] * 1e3, v[(long)((double)n * .999)] * 1e3, v[n - 1] * 1e3);
}

#endif
