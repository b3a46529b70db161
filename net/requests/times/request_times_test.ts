import assert from "node:assert/strict";
import { CounterReader } from "../../../partitions/control.ts";
import { PartitionTraffic, requestTime, ShardCounters } from "../../../partitions/mod.ts";
import { ErrorCounts } from "../../protocol/error_counts.ts";
import { RequestTimes, type TimedRequest } from "./request_times.ts";

const API = 3;

/** A shard's times at a clock that the test reads, and one connection. */
class Scene {
  nowUs = 0;
  readonly #memory = ShardCounters.allocate();
  readonly reader = new CounterReader({ counters: [this.#memory], traffic: [PartitionTraffic.allocate()] });
  readonly times = new RequestTimes(new ShardCounters(this.#memory), this);
  readonly sender = { sentBytes: 0, pendingBytes: 0, firstTimed: -1, lastTimed: -1 };

  /** Reads the clock. @param tookUs since the last reading */
  read(tookUs: number): void {
    this.nowUs = (this.nowUs + tookUs) | 0;
    if (this.times.isWaiting) this.times.onReading(tookUs);
  }

  /** A request that arrived some time ago begins. */
  begin(agoUs = 0): TimedRequest {
    const request = {
      countedAs: API,
      arrivedUs: (this.nowUs - agoUs) | 0,
      sinceUs: 0,
      respondedUs: 0,
      isHandled: false,
    };
    this.times.begin(request);
    return request;
  }

  /** It is answered with so many bytes. */
  answer(request: TimedRequest, bytes = 10): void {
    this.times.responded(request);
    this.sender.pendingBytes += bytes;
    this.times.queued(request, this.sender);
  }

  /** The socket takes some bytes. */
  send(bytes: number): void {
    this.sender.sentBytes += bytes;
    this.sender.pendingBytes -= bytes;
    this.times.flushed(this.sender);
  }

  /** How many were counted, and their sum in µs, by part. */
  get counted(): Record<string, [number, number]> {
    return Object.fromEntries(
      Object.entries(requestTime).map(([name, time]) => {
        const { counts, sumMs } = this.reader.requestTimes(API, time);
        return [name, [counts.reduce((a, b) => a + b), Math.round(sumMs * 1000)]];
      }),
    );
  }
}

Deno.test("RequestTimes measures each part of requests by the readings around it, and shares the time of handlers between two readings", () => {
  const scene = new Scene();
  scene.read(1000);
  const [first, second] = [scene.begin(500), scene.begin(300)];
  for (const request of [first, second]) {
    scene.answer(request);
    scene.times.handled(request);
  }
  scene.read(80);
  scene.read(200);
  scene.send(20);
  scene.read(30);
  assert.deepEqual(scene.counted, {
    total: [2, 2 * (80 + 200 + 30) + 500 + 300],
    queue: [2, 800],
    local: [2, 80],
    remote: [2, 0],
    responseQueue: [2, 2 * 280],
    responseSend: [2, 60],
  });
  assert.equal(scene.reader.requests(API), 2);
  assert.equal(scene.times.isWaiting, false);
  assert.deepEqual([scene.sender.firstTimed, scene.sender.lastTimed], [-1, -1]);
});

Deno.test("RequestTimes counts what a request waits for behind its handler as remote, and readings within the handler as local", () => {
  const scene = new Scene();
  const request = scene.begin();
  scene.read(700);
  scene.times.handled(request);
  scene.read(50);
  scene.read(9_000);
  scene.answer(request);
  scene.send(10);
  scene.read(0);
  const { local, remote, total } = scene.counted;
  assert.deepEqual([local, remote, total], [[1, 750], [1, 9_050], [1, 9_750]]);
});

Deno.test("RequestTimes counts an answer when its last byte is in the kernel, whatever the socket takes at a time", () => {
  const scene = new Scene();
  for (const request of [scene.begin(), scene.begin(), scene.begin()]) {
    scene.times.handled(request);
    scene.answer(request, 10);
  }
  scene.read(0);
  scene.send(19);
  scene.read(100);
  assert.deepEqual(scene.counted["responseSend"], [1, 100]);
  assert.deepEqual(scene.counted["responseQueue"], [3, 0], "all of them began to be sent");
  scene.read(400);
  scene.send(1);
  scene.send(0);
  scene.read(7);
  assert.deepEqual(scene.counted["responseSend"], [2, 100 + 507]);
  scene.send(10);
  scene.read(0);
  assert.deepEqual(scene.counted["total"], [3, 100 + 507 + 507]);
});

Deno.test("RequestTimes counts no request whose connection closes, and keeps nothing of it, however many there are", () => {
  const scene = new Scene();
  for (let times = 0; times < 5; times++) {
    for (let count = 0; count < 3000; count++) scene.answer(scene.begin());
    scene.times.dropUnsent(scene.sender);
  }
  scene.read(1);
  assert.deepEqual([scene.counted["total"], scene.counted["responseSend"]], [[0, 0], [0, 0]]);
});

Deno.test("RequestTimes counts answers beyond those that it can follow as sent when they are given", () => {
  const scene = new Scene();
  for (let count = 0; count < 5000; count++) scene.answer(scene.begin(), 1);
  assert.deepEqual(scene.counted["total"], [5000 - 4096, 0]);
  scene.send(5000);
  scene.read(1);
  assert.deepEqual(scene.counted["total"], [5000, 4096]);
});

Deno.test("RequestTimes counts the same where its microseconds wrap", () => {
  const scene = new Scene();
  scene.nowUs = 2 ** 31 - 50;
  const request = scene.begin(20);
  scene.times.handled(request);
  scene.read(100);
  scene.times.responded(request);
  scene.times.endedUnanswered({ ...request });
  assert.deepEqual([scene.counted["queue"], scene.counted["remote"]], [[1, 20], [2, 200]]);
  assert.deepEqual(scene.counted["total"], [1, 120]);
});

Deno.test("RequestTimes counts the error codes of an answer, and an answer without any as NONE", () => {
  const scene = new Scene();
  const request = scene.begin();
  const errors = new ErrorCounts();
  scene.times.countErrors(request, null);
  scene.times.countErrors(request, errors);
  for (const code of [3, 6, 3]) errors.add(code);
  scene.times.countErrors(request, errors);
  assert.deepEqual(scene.reader.errors(API), [[0, 2], [3, 2], [6, 1]]);
  errors.clear();
  for (let code = 1; code <= 40; code++) errors.add(code);
  scene.times.countErrors(request, errors);
  const found = scene.reader.errors(API);
  assert.equal(
    found.reduce((sum, [, count]) => sum + count, 0),
    2 + 3 + 40,
    "an answer with many codes is counted whole",
  );
});
