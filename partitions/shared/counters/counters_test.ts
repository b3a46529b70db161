import assert from "node:assert/strict";
import { COUNTER, TRAFFIC } from "../words.ts";
import { CounterReader, OTHER_CODES } from "./counter_reader.ts";
import { BUCKET_BOUNDS_MS, bucketOf, BUCKETS, DURATION_US_MAX } from "./histogram.ts";
import { noTraffic, PartitionTraffic } from "./partition_traffic.ts";
import { API_KEYS_MAX, LISTENERS_MAX, requestTime, requestTimesAt, ShardCounters } from "./shard_counters.ts";
import { addOne, addTotal, readCount, readTotal, TOTAL_WORDS } from "./total_words.ts";

const TWO_POW_32 = 2 ** 32;

/** Two shards that count, and the reader. */
function twoShards() {
  const memory = {
    counters: [ShardCounters.allocate(), ShardCounters.allocate()],
    traffic: [PartitionTraffic.allocate(), PartitionTraffic.allocate()],
  };
  const counters = memory.counters.map((each) => new ShardCounters(each));
  const traffic = memory.traffic.map((each, shard) => new PartitionTraffic(each, counters[shard] as ShardCounters));
  return { counters, traffic, reader: new CounterReader(memory) };
}

Deno.test("addTotal() counts above 2^32 and 2^33, whatever the steps, and touches no other word", () => {
  for (const step of [1, 4095, TWO_POW_32 - 1, TWO_POW_32, 3 * TWO_POW_32 + 5]) {
    const words = new Int32Array(new SharedArrayBuffer(64));
    let expected = 0;
    addTotal(words, 4, TWO_POW_32 - 3 * step < 0 ? 0 : TWO_POW_32 - 3 * step);
    expected += TWO_POW_32 - 3 * step < 0 ? 0 : TWO_POW_32 - 3 * step;
    for (let times = 0; times < 8; times++) {
      addTotal(words, 4, step);
      expected += step;
      assert.equal(readTotal(words, 4), expected);
    }
    assert.deepEqual([...words].filter((word, at) => word !== 0 && (at < 4 || at >= 4 + TOTAL_WORDS)), []);
  }
});

Deno.test("readTotal() gives a total of one time at each point of a carry: it waits, or gives the number before or after", () => {
  const before = TWO_POW_32 - 1;
  // The words as the writer leaves them after each store of the carry to 2^32 + 4: high, low, high again.
  const stages = [[-1, 0, 0], [-1, 1, 0], [4, 1, 0], [4, 1, 1]];
  for (const [low = 0, high = 0, again = 0] of stages) {
    const words = new Int32Array(new SharedArrayBuffer(TOTAL_WORDS * 4));
    words.set([low, high, again]);
    if (high === again) assert([before, TWO_POW_32 + 4].includes(readTotal(words, 0)));
  }
});

Deno.test("readTotal() never goes back nor jumps while another isolate adds across carries", async () => {
  const memory = new SharedArrayBuffer(64);
  const words = new Int32Array(memory);
  const source = `import { addTotal } from ${JSON.stringify(import.meta.resolve("./total_words.ts"))};
    self.onmessage = ({ data }) => {
      const words = new Int32Array(data);
      for (let count = 0; count < 2_000_000; count++) addTotal(words, 0, 65_537);
      self.postMessage(null);
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const ended = Promise.withResolvers<void>();
  let hasEnded = false;
  worker.onmessage = () => {
    hasEnded = true;
    ended.resolve();
  };
  worker.postMessage(memory);
  let last = 0;
  while (!hasEnded) {
    for (let reads = 0; reads < 100_000; reads++) {
      const total = readTotal(words, 0);
      assert(total >= last && total % 65_537 === 0, `${total} after ${last}`);
      last = total;
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  await ended.promise;
  worker.terminate();
  URL.revokeObjectURL(url);
  assert.equal(readTotal(words, 0), 2_000_000 * 65_537);
});

Deno.test("a count wraps at 2^32, and its differences stay right", () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = -2;
  const before = readCount(words, 0);
  assert.equal(before, TWO_POW_32 - 2);
  for (let times = 0; times < 5; times++) addOne(words, 0);
  assert.equal((readCount(words, 0) - before) >>> 0, 5);
});

Deno.test("bucketOf() puts each duration below the upper bound of its bucket and not below that of the one before", () => {
  assert.equal(BUCKET_BOUNDS_MS.length, BUCKETS - 1);
  assert.deepEqual(BUCKET_BOUNDS_MS.slice(0, 9), [1, 2, 3, 4, 5, 6, 7, 8, 10].map((us) => us / 1000));
  const durations = [0, 1, 2, 3, DURATION_US_MAX];
  for (let exponent = 2; exponent < 31; exponent++) {
    for (const quarter of [1, 1.25, 1.5, 1.75]) durations.push(quarter * 2 ** exponent, quarter * 2 ** exponent - 1);
  }
  for (const us of durations.map(Math.floor)) {
    const bucket = bucketOf(us);
    assert(bucket < BUCKETS && us / 1000 < (BUCKET_BOUNDS_MS[bucket] ?? Infinity), `${us} µs in ${bucket}`);
    assert(bucket === 0 || us / 1000 >= (BUCKET_BOUNDS_MS[bucket - 1] as number), `${us} µs in ${bucket}`);
  }
  for (const [bucket, bound] of BUCKET_BOUNDS_MS.entries()) {
    const before = BUCKET_BOUNDS_MS[bucket - 1] ?? 0;
    assert(bucket < 4 || bound / before <= 1.2501, `bounds ${before} and ${bound}`);
  }
});

Deno.test("ShardCounters.countRequestTime() counts in the histogram of its API and its part alone; negative and endless times are bounded", () => {
  const { counters: shards, reader } = twoShards();
  const counters = shards[0] as ShardCounters;
  counters.countRequestTime(0, requestTime.local, 1500);
  counters.countRequestTime(0, requestTime.local, -7);
  counters.countRequestTime(0, requestTime.local, 2 ** 31 + 5);
  const { counts, sumMs } = reader.requestTimes(0, requestTime.local);
  assert.deepEqual([counts[0], counts[bucketOf(1500)], counts[BUCKETS - 1]], [1, 1, 1]);
  assert.equal(sumMs, (1500 + DURATION_US_MAX) / 1000);
  for (let apiKey = 0; apiKey < API_KEYS_MAX; apiKey++) {
    for (const time of Object.values(requestTime)) {
      const sum = reader.requestTimes(apiKey, time).counts.reduce((a, b) => a + b);
      assert.equal(sum, apiKey === 0 && time === requestTime.local ? 3 : 0);
    }
  }
  assert.equal(requestTimesAt(0, 0), COUNTER.requestTimes);
});

Deno.test("counts of CounterReader go on where the word of a shard wraps", () => {
  const memory = { counters: [ShardCounters.allocate(), ShardCounters.allocate()], traffic: [] };
  const reader = new CounterReader(memory);
  const words = memory.counters.map((each) => new Int32Array(each));
  words[0]![COUNTER.requests + 1] = -3;
  words[1]![COUNTER.requests + 1] = 10;
  assert.equal(reader.requests(1), TWO_POW_32 + 7);
  const first = new ShardCounters(memory.counters[0]!);
  for (let times = 0; times < 5; times++) first.countRequest(1);
  assert.deepEqual([reader.requests(1), reader.requests(1)], [TWO_POW_32 + 12, TWO_POW_32 + 12]);
});

Deno.test("CounterReader sums over the shards: totals, requests, errors by code, connections by listener", () => {
  const { counters, reader } = twoShards();
  for (const [shard, each] of counters.entries()) {
    each.add("waitedUs", 1000 + shard);
    each.add("replicationBytesIn", TWO_POW_32 + shard);
    for (let times = 0; times <= shard; times++) each.countRequest(API_KEYS_MAX - 1);
    each.countError(3, 0, 1);
    each.countError(3, -1, 2);
    each.countError(3, 136, 3);
    each.countError(3, 999, 4);
    each.countError(3, -2, 5);
    each.countCreated(1);
    each.countClosed(1);
    each.countCreated(LISTENERS_MAX + 7);
    each.countFlush(2000 * (1 + shard));
  }
  assert.deepEqual(reader.waitedUs(), [1000, 1001]);
  assert.equal(reader.total("replicationBytesIn"), 2 * TWO_POW_32 + 1);
  assert.equal(reader.requests(API_KEYS_MAX - 1), 3);
  assert.deepEqual(reader.errors(3), [[-1, 4], [0, 2], [136, 6], [OTHER_CODES, 18]]);
  assert.deepEqual(reader.errors(2), []);
  assert.deepEqual(reader.connections(1), { created: 2, closed: 2 });
  assert.deepEqual(reader.connections(LISTENERS_MAX - 1), { created: 2, closed: 0 });
  assert.deepEqual([reader.flushTimes().sumMs, reader.requests(0)], [6, 0]);
});

Deno.test("PartitionTraffic counts each partition by how its requests ended, and all of them for good", () => {
  const { traffic, reader } = twoShards();
  const [first, second] = traffic as [PartitionTraffic, PartitionTraffic];
  first.produced(7, "done", 100, 3);
  second.produced(7, "done", 50, 2);
  second.produced(8, "failed", 10, 0);
  second.produced(8, "refused", 10, 0);
  second.produced(8, "too-large", 2 ** 20, 0);
  first.fetched(7, "done", 400, false);
  first.fetched(7, "done", 1000, true);
  first.fetched(8, "failed", 0, false);
  const seventh = { ...noTraffic(), bytesIn: 150, messagesIn: 5, produceRequests: 2, bytesOut: 400, fetchRequests: 2 };
  assert.deepEqual(reader.trafficOf(7), seventh);
  const both = {
    ...seventh,
    bytesRejected: 2 ** 20,
    produceRequests: 5,
    failedProduceRequests: 1,
    fetchRequests: 3,
    failedFetchRequests: 1,
  };
  assert.deepEqual(reader.trafficOf(8), {
    ...noTraffic(),
    bytesRejected: 2 ** 20,
    produceRequests: 3,
    failedProduceRequests: 1,
    fetchRequests: 1,
    failedFetchRequests: 1,
  });
  assert.deepEqual(reader.allTraffic(), both);
  assert.equal(reader.total("replicationBytesOut"), 1000);
  first.forget(7);
  second.forget(7);
  assert.deepEqual(reader.trafficOf(7), noTraffic(), "the row is another topic's next");
  assert.deepEqual([reader.trafficOf(8).produceRequests, reader.allTraffic()], [3, both]);
  assert.equal(Object.keys(TRAFFIC).length, 8);
});

Deno.test("traffic of a partition and of all is not less after 2^32 requests", () => {
  const memory = { counters: [ShardCounters.allocate()], traffic: [PartitionTraffic.allocate()] };
  const traffic = new PartitionTraffic(memory.traffic[0]!, new ShardCounters(memory.counters[0]!));
  const rowWords = new Int32Array(memory.traffic[0]!);
  const counterWords = new Int32Array(memory.counters[0]!);
  for (const name of ["produceRequests", "failedProduceRequests", "fetchRequests", "failedFetchRequests"] as const) {
    addTotal(rowWords, TRAFFIC[name], TWO_POW_32 - 1);
    addTotal(counterWords, COUNTER[name], TWO_POW_32 - 1);
  }
  traffic.produced(0, "failed", 0, 0);
  traffic.fetched(0, "failed", 0, false);
  const reader = new CounterReader(memory);
  for (const counts of [reader.trafficOf(0), reader.allTraffic()]) {
    assert.equal(counts.produceRequests, TWO_POW_32);
    assert.equal(counts.failedProduceRequests, TWO_POW_32);
    assert.equal(counts.fetchRequests, TWO_POW_32);
    assert.equal(counts.failedFetchRequests, TWO_POW_32);
  }
});

Deno.test("counting has no memory of its own: a million counts leave V8's heap as it was", () => {
  const shards = twoShards();
  const counters = shards.counters[0] as ShardCounters;
  const traffic = shards.traffic[0] as PartitionTraffic;
  const run = () => {
    for (let times = 0; times < 100_000; times++) {
      counters.countRequest(0);
      counters.countRequestTime(0, requestTime.total, times);
      traffic.produced(1, "done", 16_000, 160);
      traffic.fetched(1, "done", 16_000, false);
    }
  };
  run();
  run();
  const before = Deno.memoryUsage().heapUsed;
  for (let times = 0; times < 10; times++) run();
  assert(Deno.memoryUsage().heapUsed - before < 2 ** 20);
});
