/**
 * Retention against a model, over random appends, rolls, times, clocks, flushes that are late, deletions, changes of the rules and
 * restarts. The model says after each check which offset the log starts at, and which segments are left. It is written from Kafka's
 * three loops (UnifiedLog.deleteOldSegments) and shares no code with the decision. A failure prints its seed; BARNABAS_SEED replays it.
 * BARNABAS_SLOW=1 runs more.
 */
import { strict as assert } from "node:assert";
import { replaceFile } from "../storage/directory/atomic_file.ts";
import { ManualClock } from "../storage/base/clock.ts";
import { createRandom } from "../storage/base/random.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { Partition } from "../partitions/owned/partition.ts";
import { flushOn, smallLogs, type TestShard, TestShards, topicOn } from "../partitions/owned/partition_testing.ts";
import { readAll } from "./log_fixture.ts";
import { buildBatch, inMemory } from "./record_batch_builder.ts";
import { chooseSeed } from "./interop/random.ts";

const INITIAL_MS = 1000;
const CHECK_MS = 60_000;
const MINUTE_MS = 60_000;
/** The clock may gain so much between two checks before its ages are not believed (partitions/retention/retention.ts). */
const CLOCK_GAIN_MS_MAX = 60 * MINUTE_MS;
const STEPS = 120;

interface ModelSegment {
  readonly base: number;
  end: number;
  bytes: number;
  largest: number;
}

/** What is left, and how many segments retention removed. */
interface ModelState {
  readonly segments: ModelSegment[];
  start: number;
  removed: number;
}

/** A clock whose wall-clock time jumps. */
class JumpingClock extends ManualClock {
  jumpedMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.jumpedMs;
  }
}

/** Changes what the product decides by, so that the model must disagree. */
type Tampering = (partition: Partition) => void;

/** A partition on a shard, and what it should hold. */
class ModelledRetention {
  readonly #random: () => number;
  readonly #tampering: Tampering;
  readonly #flushMessages: number;
  #rules = { retentionMs: -1, retentionBytes: -1, delete: true };
  #world: TestShards;
  #segments: ModelSegment[] = [{ base: 0, end: 0, bytes: 0, largest: -1 }];
  #start = 0;
  readonly #clock = new JumpingClock();
  /** How far it had jumped at the last check, or the start. */
  #jumpedAtCheckMs = 0;
  /** Monotonic time of the next check. */
  #nextCheckMs = 0;
  removedCount = 0;

  constructor(seed: number, tampering: Tampering = () => {}) {
    this.#random = createRandom(seed);
    this.#tampering = tampering;
    this.#flushMessages = this.#random() < 0.5 ? 1 : Infinity;
    this.#world = this.#open([]);
  }

  step(): void {
    const dice = this.#random();
    if (dice < 0.5) this.#append();
    else if (dice < 0.55) this.#roll();
    else if (dice < 0.65) this.#flush();
    else if (dice < 0.75) this.#configure();
    else if (dice < 0.8) this.#deleteRecords();
    else if (dice < 0.82) this.#clock.jumpedMs += (this.#below(200) - 100) * MINUTE_MS;
    else if (dice < 0.84) this.#restart();
    else this.#check();
  }

  close(): void {
    this.#world[Symbol.dispose]();
  }

  get #shard(): TestShard {
    return this.#world.at(0);
  }

  get #partition(): Partition {
    const [partition] = this.#shard.partitions.owned.all;
    assert.ok(partition !== undefined);
    return partition;
  }

  get #active(): ModelSegment {
    return this.#segments.at(-1) as ModelSegment;
  }

  get #nowMs(): number {
    return this.#clock.wallMs();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #open(files: readonly TestShard["files"][]): TestShards {
    const retention = { initialDelayMs: INITIAL_MS, checkMs: CHECK_MS, isAnnounced: false };
    const world = this.#world = new TestShards(1, files, { retention, clock: this.#clock });
    this.#jumpedAtCheckMs = this.#clock.jumpedMs;
    this.#nextCheckMs = this.#clock.monotonicMs() + INITIAL_MS;
    this.#applyRules();
    this.#tampering(this.#partition);
    return world;
  }

  #applyRules(): void {
    const config: LogConfig = {
      ...smallLogs,
      segmentBytes: 1000,
      segmentMs: Infinity,
      flushMessages: this.#flushMessages,
      ...this.#rules,
    };
    this.#world.apply(topicOn([0], { config }));
  }

  #configure(): void {
    const retentionMs = this.#below(3) === 0 ? -1 : this.#below(40) * MINUTE_MS;
    const retentionBytes = this.#below(2) === 0 ? -1 : this.#someBytes();
    this.#rules = { retentionMs, retentionBytes, delete: this.#below(6) > 0 };
    this.#applyRules();
  }

  /** Any number, or exactly the bytes of the newest segments. */
  #someBytes(): number {
    if (this.#below(2) === 0) return this.#below(5000);
    const newest = this.#segments.slice(this.#below(this.#segments.length));
    return newest.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #append(): void {
    const timestamp = this.#below(10) === 0 ? -1 : this.#nowMs + (this.#below(70) - 60) * MINUTE_MS;
    const bytes = buildBatch([{ value: "x".repeat(this.#below(400)), timestamp }], { baseTimestamp: timestamp });
    const result = this.#partition.append(inMemory(bytes, 64), this.#nowMs);
    assert.equal(result.refusal, null, result.message);
    assert.equal(result.baseOffset, this.#active.end);
    if (this.#active.bytes > 0 && this.#active.bytes + bytes.length > 1000) this.#pushSegment();
    this.#active.bytes += bytes.length;
    this.#active.end++;
    this.#active.largest = Math.max(this.#active.largest, timestamp);
  }

  #pushSegment(): void {
    const { end } = this.#active;
    this.#segments.push({ base: end, end, bytes: 0, largest: -1 });
  }

  #roll(): void {
    assert.ok(this.#partition.roll(this.#nowMs));
    if (this.#active.bytes > 0) this.#pushSegment();
  }

  #flush(): void {
    const { flushes, groups, files, partitions } = this.#shard;
    partitions.beginGroupFlush();
    while (flushes.length + groups.length > 0) {
      for (const { request, done } of flushes.splice(0)) done(flushOn(files, request));
      for (const { requests, done } of groups.splice(0)) done(requests.map((request) => flushOn(files, request)));
      partitions.beginGroupFlush();
    }
  }

  #deleteRecords(): void {
    const { highWatermark } = this.#partition;
    const offset = this.#start + this.#below(highWatermark - this.#start + 1);
    assert.equal(this.#partition.deleteRecords(offset).refusal, null);
    this.#start = Math.max(this.#start, offset);
  }

  /** Stops in order and starts again; the closed segments then do not know how old they are. */
  #restart(): void {
    this.#flush();
    const { log } = this.#partition;
    assert.ok(this.#partition.close({ clean: true }));
    const { files } = this.#shard;
    for (const [name, offset] of [["log-start", log.logStartOffset], ["recovery-point", log.logEndOffset]] as const) {
      replaceFile(files.fileSystem, `/logs/${name}-offset-checkpoint`, `0\n1\nt 0 ${offset}\n`);
    }
    this.#world[Symbol.dispose]();
    this.#open([files]);
    assert.deepEqual([this.#partition.log.logStartOffset, this.#partition.log.logEndOffset], [
      this.#start,
      this.#active.end,
    ]);
  }

  #check(): void {
    const waitMs = Math.max(0, this.#nextCheckMs - this.#clock.monotonicMs());
    this.#clock.advance(waitMs + this.#below(10) * MINUTE_MS);
    if (this.#below(2) > 0) this.#flush();
    const expected = this.#expected(this.#partition.highWatermark);
    this.#turns();
    assert.equal(this.#partition.log.logStartOffset, expected.start, "the log starts where the model says");
    this.removedCount += expected.removed;
    const lines = this.#shard.retained.splice(0).flatMap((event) => event.kind === "removed" ? [event.text] : []);
    const counts = lines.map((text) => Number(/^t-0: retention removes (\d+) segments? below /.exec(text)?.[1]));
    assert.deepEqual(counts, expected.removed === 0 ? [] : [expected.removed], "one line, with the number of segments");
    this.#segments = expected.segments;
    this.#start = expected.start;
    this.#jumpedAtCheckMs = this.#clock.jumpedMs;
    this.#nextCheckMs = this.#clock.monotonicMs() + CHECK_MS;
    do {
      this.#flush(); // each removal waits for that behind the one before it
      this.#turns();
    } while (this.#shard.flushes.length > 0);
    const { log } = this.#partition;
    const { segments } = log.retained(this.#partition.highWatermark);
    const left = segments.map(({ baseOffset, logFileBytes }) => [baseOffset, logFileBytes]);
    assert.deepEqual(left, this.#segments.map(({ base, bytes }) => [base, bytes]));
    assert.equal(log.logEndOffset, this.#active.end);
    const found = readAll(log, { fs: this.#shard.files.fileSystem });
    assert.equal(found.length, this.#active.end - this.#start, "every record that is kept is read");
  }

  /** Runs turns until nothing is due; loads are done, flushes are not. */
  #turns(): void {
    const { partitions, loads } = this.#shard;
    const nowMs = this.#clock.monotonicMs();
    for (let count = 0; count === 0 || loads.length > 0 || partitions.nextDeadlineMs <= nowMs; count++) {
      for (const { done } of loads.splice(0)) done();
      partitions.maintain(nowMs);
      assert.ok(count < 1000, "the turns end");
    }
  }

  /** What Kafka leaves: a loop for the log start, for the size, for the time, each from the oldest segment on. */
  #expected(highWatermark: number): ModelState {
    const state = { segments: this.#segments.map((segment) => ({ ...segment })), start: this.#start, removed: 0 };
    const { retentionMs, retentionBytes } = this.#rules;
    remove(state, highWatermark, (segment, isLast) => !isLast && segment.end <= this.#start);
    state.removed = 0;
    if (!this.#rules.delete) return state;
    if (retentionBytes >= 0) {
      let excess = state.segments.reduce((sum, { bytes }) => sum + bytes, 0) - retentionBytes;
      remove(state, highWatermark, ({ bytes }) => (excess -= bytes) >= 0);
    }
    const isTrusted = this.#clock.jumpedMs - this.#jumpedAtCheckMs <= CLOCK_GAIN_MS_MAX;
    // A file without timestamps has the modification time 0 in this file system.
    if (retentionMs >= 0 && isTrusted) {
      remove(state, highWatermark, ({ largest }) => this.#nowMs - Math.max(0, largest) > retentionMs);
    }
    return state;
  }
}

function remove(
  state: ModelState,
  highWatermark: number,
  isRemoved: (segment: ModelSegment, isLast: boolean) => boolean,
): void {
  const { segments } = state;
  let count = 0;
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (highWatermark < segment.end || !isRemoved(segment, isLast) || (isLast && segment.bytes === 0)) break;
    count++;
  }
  state.removed += count;
  if (count === 0) return;
  const end = segments[count - 1]?.end ?? 0;
  if (count === segments.length) segments.push({ base: end, end, bytes: 0, largest: -1 });
  segments.splice(0, count);
  state.start = Math.max(state.start, end);
}

function runSequence(seed: number, tampering?: Tampering): number {
  const modelled = new ModelledRetention(seed, tampering);
  try {
    for (let step = 0; step < STEPS; step++) modelled.step();
    return modelled.removedCount;
  } catch (cause) {
    throw new Error(`The sequence of seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
  } finally {
    modelled.close();
  }
}

Deno.test("retention leaves what a model of Kafka's rules leaves, over random appends, clocks, flushes, rules and restarts", () => {
  const fixed = Deno.env.get("BARNABAS_SEED");
  const sequences = Deno.env.get("BARNABAS_SLOW") ? 5000 : 60;
  const first = chooseSeed();
  let removed = 0;
  for (let index = 0; index < (fixed ? 1 : sequences); index++) removed += runSequence(first + index);
  assert.ok(fixed !== undefined || removed > sequences, `segments were removed: ${removed}`);
});

Deno.test("the model notices a wrong high watermark, a wrong age and a wrong size (canaries)", () => {
  const canaries: [string, Tampering][] = [
    ["high watermark", ({ log }) => {
      const retained = log.retained.bind(log);
      log.retained = () => retained(log.logEndOffset);
    }],
    ["age", ({ log }) => {
      const retained = log.retained.bind(log);
      log.retained = (highWatermark) => {
        const seen = retained(highWatermark);
        const segments = seen.segments.map((segment) => ({
          baseOffset: segment.baseOffset,
          logFileBytes: segment.logFileBytes,
          knownRetentionTimestamp: (segment.knownRetentionTimestamp ?? 0) + MINUTE_MS,
          learnRetentionTimestamp: () => segment.learnRetentionTimestamp(),
          path: (kind: ".log") => segment.path(kind),
        }));
        return { ...seen, segments };
      };
    }],
    ["size", (partition) => {
      const real = (): LogConfig => Reflect.get(Partition.prototype, "config", partition);
      const get = () => ({ ...real(), retentionBytes: real().retentionBytes < 0 ? -1 : real().retentionBytes + 500 });
      Object.defineProperty(partition, "config", { get });
    }],
  ];
  for (const [name, tampering] of canaries) {
    assert.throws(
      () => {
        for (let seed = 1; seed < 40; seed++) runSequence(seed, tampering);
      },
      /BARNABAS_SEED/,
      name,
    );
  }
});
