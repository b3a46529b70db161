/**
 * Compares cleanings with a model of Kafka's rules, over random logs and several rounds with a moving clock. A failure prints its seed;
 * BARNABAS_SEED replays it. BARNABAS_SLOW=1 runs more sequences.
 */
import { strict as assert } from "node:assert";
import { createRandom } from "../storage/base/random.ts";
import { toOffset } from "../storage/base/units.ts";
import type { CleaningJob } from "../storage/cleaner/cleaning_job.ts";
import { OFFSET_MAP_BYTES_MIN } from "../storage/cleaner/offset_map.ts";
import { decodeTransactionIndex } from "../storage/segments/transaction_index.ts";
import { cleanAndSwap, decodeBatch, type DecodedBatch, decodeLog, jobOf, NO_PRODUCERS } from "./cleaning_fixture.ts";
import { cleanModel, type ModelAbort } from "./cleaning_model.ts";
import { CleaningWorld } from "./cleaning_world.ts";
import { findByTime, findInconsistencies, openLog, readAll, testConfig, TestDirectory } from "./log_fixture.ts";
import { chooseSeed } from "./interop/random.ts";

/** One log, cleaned again and again. */
class ModelledCleaning {
  readonly #directory: string;
  readonly #world: CleaningWorld;
  readonly #settings: Partial<CleaningJob>;
  readonly #planted: Partial<CleaningJob>;
  #expected: DecodedBatch[] = [];
  #aborts: ModelAbort[] = [];
  #seen = 0;
  #abortsSeen = 0;
  #firstDirty = 0;

  /** @param planted fields of each job that the model does not know of */
  constructor(directory: string, random: () => number, planted: Partial<CleaningJob> = {}) {
    this.#planted = planted;
    this.#directory = directory;
    this.#world = new CleaningWorld(directory, random);
    this.#settings = {
      deleteRetentionMs: [0, 5000, 86_400_000][this.#world.below(3)]!,
      segmentBytes: [2000, 20_000, 1_000_000][this.#world.below(3)]!,
      indexIntervalBytes: [1, 300, 4096][this.#world.below(3)]!,
      segmentIndexBytes: [200, 10_000_000][this.#world.below(2)]!,
      dedupeBufferBytes: [OFFSET_MAP_BYTES_MIN, 1000, 1_000_000][this.#world.below(3)]!,
      dedupeLoadFactor: [0.3, 0.9][this.#world.below(2)]!,
    };
  }

  /** Appends, cleans, and compares what is left with the model. */
  round(): void {
    const world = this.#world;
    for (let count = world.below(30); count > 0; count--) {
      world.append();
      if (world.below(6) === 0) world.roll();
    }
    world.roll();
    this.#expected.push(...world.batches.slice(this.#seen));
    this.#aborts.push(...world.aborts.slice(this.#abortsSeen));
    [this.#seen, this.#abortsSeen] = [world.batches.length, world.aborts.length];
    world.nowMs += world.below(2) * world.below(10_000);
    if (world.below(5) === 0) world.expireOne();
    if (world.activeBase > 0) this.#clean();
  }

  #clean(): void {
    const world = this.#world;
    const known = world.producers.filter(({ isKnown }) => isKnown);
    const cleanableEnd = Math.min(world.activeBase, world.lastStableOffset);
    const firstUncleanable = world.below(3) > 0
      ? cleanableEnd
      : Math.min(cleanableEnd, this.#firstDirty + world.below(40));
    const job = jobOf(this.#directory, {
      ...this.#settings,
      nowMs: world.nowMs,
      firstDirtyOffset: toOffset(this.#firstDirty),
      firstUncleanableOffset: toOffset(Math.max(firstUncleanable, this.#firstDirty)),
      producers: {
        producerIds: Float64Array.from(known, ({ producerId }) => producerId),
        epochs: Int16Array.from(known, ({ epoch }) => epoch),
        lastDataOffsets: Float64Array.from(known, ({ lastDataOffset }) => lastDataOffset),
      },
    });
    const { nextDirtyOffset, replacements } = cleanAndSwap({ ...job, ...this.#planted });
    this.#checkProgress(job, nextDirtyOffset);
    const model = cleanModel(this.#expected, this.#aborts, {
      ...job,
      latestOffset: nextDirtyOffset - 1,
      rewrittenBelow: job.segments.find(({ baseOffset }) => baseOffset >= nextDirtyOffset)?.baseOffset ??
        world.activeBase,
      producers: new Map(known.map((producer) => [producer.producerId, producer])),
    });
    [this.#expected, this.#aborts, this.#firstDirty] = [model.log, model.aborts, nextDirtyOffset];
    assert.deepEqual(decodeLog(this.#directory), this.#expected);
    assert.deepEqual(this.#abortsInFiles(), model.aborts);
    for (const { sources, baseOffset } of replacements) {
      const from = job.segments.findIndex((segment) => segment.baseOffset === baseOffset);
      const expected = job.segments.slice(from, from + sources.length).map((segment) => segment.baseOffset);
      assert.deepEqual(sources, expected, "a new segment replaces neighbours");
    }
  }

  /** A full map may end a cleaning early, but never before the first record. */
  #checkProgress(
    { firstDirtyOffset, firstUncleanableOffset, dedupeBufferBytes }: CleaningJob,
    nextDirtyOffset: number,
  ): void {
    assert.ok(nextDirtyOffset <= firstUncleanableOffset);
    if (firstDirtyOffset < firstUncleanableOffset) {
      assert.ok(nextDirtyOffset > firstDirtyOffset, "a cleaning makes progress");
    }
    if (dedupeBufferBytes === 1_000_000) assert.equal(nextDirtyOffset, firstUncleanableOffset);
  }

  #abortsInFiles(): ModelAbort[] {
    const names = [...Deno.readDirSync(this.#directory)].map(({ name }) => name).filter((name) =>
      /\.txnindex$/.test(name)
    );
    return names.sort().flatMap((name) => {
      const base = toOffset(Number(name.slice(0, 20)));
      const entries = decodeTransactionIndex(Deno.readFileSync(`${this.#directory}/${name}`), base);
      assert.ok(entries !== null && entries.length > 0, name);
      return entries.map(({ producerId, firstOffset, lastOffset }) => ({ producerId, firstOffset, lastOffset }));
    });
  }

  /** Opens the log, after an unclean stop and then after a clean one: all of it is found, by offset and by time. */
  finish(): void {
    for (const name of [...Deno.readDirSync(this.#directory)].map((entry) => entry.name)) {
      if (name.endsWith(".snapshot")) Deno.removeSync(`${this.#directory}/${name}`);
    }
    for (const cleanShutdown of [false, true]) {
      const config = { ...testConfig, compact: true };
      using log = openLog(this.#directory, { cleanShutdown, config, producerIdExpirationMs: Infinity });
      assert.equal(log.logEndOffset, this.#world.end);
      const read = readAll(log, { maxBytes: 1 + this.#world.below(9000), hasGaps: true });
      assert.deepEqual(read.map(({ bytes }) => decodeBatch(bytes)), this.#expected);
      this.#checkTimes(log);
      this.#checkProducers(log);
      assert.ok(log.close({ clean: true }));
      assert.deepEqual(findInconsistencies(this.#directory, { isCleaned: true }), []);
    }
  }

  #checkTimes(log: ReturnType<typeof openLog>): void {
    const records = this.#expected.flatMap(({ records }) => records);
    const end = toOffset(this.#world.end);
    for (let count = 0; count < 10; count++) {
      const timestamp = this.#world.nowMs - this.#world.below(30_000);
      const first = records.find((record) => record.timestamp >= timestamp);
      const found = findByTime(log, timestamp, end);
      assert.deepEqual([found?.offset, found?.timestamp], [first?.offset, first?.timestamp], `at ${timestamp}`);
    }
    const largest = Math.max(-1, ...records.map(({ timestamp }) => timestamp));
    const found = findByTime(log, "largest", end);
    assert.equal(found?.timestamp ?? -1, largest);
    assert.equal(found?.offset, records.find(({ timestamp }) => timestamp === largest)?.offset);
  }

  /** A producer that was known in all cleanings continues where it was. */
  #checkProducers(log: ReturnType<typeof openLog>): void {
    const listed = new Map(log.producers.listAbove(-1, 100).map((producer) => [producer.producerId, producer]));
    for (const { producerId, isKnown, epoch, sequence, lastDataOffset, openSince } of this.#world.producers) {
      if (!isKnown || lastDataOffset < 0) continue;
      const producer = listed.get(producerId);
      assert.deepEqual([producer?.producerEpoch, producer?.lastSequence], [epoch, sequence - 1], String(producerId));
      assert.equal(producer?.currentTxnStartOffset, openSince, String(producerId));
    }
  }
}

const seeds = Deno.env.get("BARNABAS_SEED") === undefined
  ? Array.from({ length: Deno.env.get("BARNABAS_SLOW") === "1" ? 500 : 30 }, (_, index) => chooseSeed() + index)
  : [Number(Deno.env.get("BARNABAS_SEED"))];

/** Cleans a random log round after round. @throws when it differs from the model */
function runSequence(seed: number, planted: Partial<CleaningJob> = {}): void {
  using directory = new TestDirectory();
  const cleaning = new ModelledCleaning(directory.partition, createRandom(seed), planted);
  for (let round = 0; round < 6; round++) cleaning.round();
  cleaning.finish();
}

Deno.test("cleanLog() leaves what a model of Kafka's rules leaves, round after round", () => {
  for (const seed of seeds) {
    try {
      runSequence(seed);
    } catch (error) {
      throw new Error(`BARNABAS_SEED=${seed}`, { cause: error });
    }
  }
});

Deno.test("canary: the model notices a cleaning that forgets the producers, and one whose clock is wrong", () => {
  for (const planted of [{ producers: NO_PRODUCERS }, { nowMs: 0 }]) {
    const isNoticed = Array.from({ length: 20 }, (_, seed) => seed).some((seed) => {
      try {
        runSequence(seed, planted);
        return false;
      } catch (error) {
        return error instanceof assert.AssertionError;
      }
    });
    assert.ok(isNoticed, Object.keys(planted).join());
  }
});
