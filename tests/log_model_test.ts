/**
 * Compares a log with a model, a list of batches, over random sequences of appends, rolls, reads, deletions and reopenings. A
 * failure prints its seed; BARNABAS_SEED replays it. BARNABAS_SLOW=1 runs more sequences.
 */
import { strict as assert } from "node:assert";
import { type Offset, toOffset } from "../storage/base/units.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { Log } from "../storage/log/log.ts";
import { type FileSystem, linuxFileSystem } from "../storage/sys/file_system.ts";
import {
  deleteSegments,
  findByTime,
  findInconsistencies,
  logOptions,
  readAll,
  testConfig,
  TestDirectory,
} from "./log_fixture.ts";
import { buildBatch, inMemory, TEST_TIMESTAMP, type TestRecord } from "./record_batch_builder.ts";
import { chooseSeed } from "./interop/random.ts";

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

interface ModelBatch {
  base: number;
  last: number;
  records: { offset: number; timestamp: number }[];
  bytes: number;
}

/** A log, and the list of batches that it must hold. */
class ModelledLog {
  readonly #random: () => number;
  readonly #directory: string;
  readonly #config: LogConfig;
  readonly #fs: FileSystem;
  #log: Log;
  #batches: ModelBatch[] = [];
  #flushed: Offset = toOffset(0);
  #start = 0;
  #end = 0;

  constructor(directory: string, random: () => number, fs: FileSystem) {
    this.#random = random;
    this.#fs = fs;
    this.#directory = directory;
    this.#config = {
      ...testConfig,
      // Room for the largest batch of #append().
      segmentBytes: 1500 + this.#below(20_000),
      indexIntervalBytes: [1, 300, 4096][this.#below(3)]!,
      segmentIndexBytes: [200, 10_000_000][this.#below(2)]!,
      appendMode: this.#below(2) === 0 ? "pwrite" : "mapped",
      segmentMs: [500, 1e9][this.#below(2)]!,
    };
    this.#log = this.#open(false);
  }

  /** Does one random action and checks its result. */
  step(): void {
    const dice = this.#random();
    if (dice < 0.55) this.#append();
    else if (dice < 0.8) this.#read();
    else if (dice < 0.88) this.#findTimestamp();
    else if (dice < 0.91) this.#log.roll(TEST_TIMESTAMP);
    else if (dice < 0.94) this.#flush();
    else if (dice < 0.96) this.#deleteOldest();
    else this.#reopen();
  }

  /** Compares everything, closes the log and checks its files. */
  finish(): void {
    const offsets = readAll(this.#log, { fs: this.#fs, maxBytes: 1 + this.#below(9000) });
    const expected = this.#batches.filter((batch) => batch.last >= this.#start);
    assert.deepEqual(
      offsets.map((batch) => [batch.baseOffset, batch.lastOffset, batch.bytes.length]),
      expected.map((batch) => [batch.base, batch.last, batch.bytes]),
    );
    assert.equal(this.#log.close({ clean: true }), true);
    assert.deepEqual(findInconsistencies(this.#directory), []);
  }

  close(): void {
    this.#log[Symbol.dispose]();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #open(cleanShutdown: boolean): Log {
    return Log.open(logOptions(this.#directory, {
      fs: this.#fs,
      config: this.#config,
      cleanShutdown,
      recoveryPoint: this.#flushed,
      logStartOffset: toOffset(this.#start),
      random: this.#random,
    }));
  }

  #append(): void {
    const records: TestRecord[] = Array.from({ length: 1 + this.#below(6) }, () => ({
      value: "x".repeat(this.#below(200)),
      timestamp: TEST_TIMESTAMP + this.#end + this.#below(40) - 20,
    }));
    const bytes = buildBatch(records, { codec: (["none", "none", "zstd"] as const)[this.#below(3)] });
    const { memory, start, length } = inMemory(bytes);
    const result = this.#log.appendAsLeader(memory, start, length, { leaderEpoch: 0, nowMs: TEST_TIMESTAMP });
    assert.deepEqual([result.refusal, result.baseOffset], [null, this.#end], result.message);
    this.#batches.push({
      base: this.#end,
      last: result.lastOffset,
      records: records.map((record, i) => ({ offset: this.#end + i, timestamp: record.timestamp! })),
      bytes: length,
    });
    this.#end += records.length;
  }

  #read(): void {
    const offset = this.#start + this.#below(this.#end - this.#start + 1);
    const maxOffset = this.#below(3) === 0 ? this.#start + this.#below(this.#end - this.#start + 1) : this.#end;
    const maxBytes = this.#below(6000);
    const atLeastOne = this.#below(2) === 0;
    const read = this.#log.read(toOffset(offset), { maxBytes, maxOffset: toOffset(maxOffset), atLeastOne });
    assert.equal(read.refusal, null, read.message);
    const visible = this.#batches.filter((batch) => batch.last >= offset && batch.last < maxOffset);
    const first = visible[0];
    if (first === undefined || (first.bytes > maxBytes && !atLeastOne)) return assert.equal(read.slice, null);
    assert.ok(read.slice !== null, `batch ${first.base} is found from ${offset}`);
    let [length, next] = [0, offset];
    for (const batch of visible) {
      if (length === read.slice.length) break;
      length += batch.bytes;
      next = batch.last + 1;
    }
    assert.deepEqual([read.slice.length, read.slice.nextOffset], [length, next], "whole batches from the first one on");
    assert.ok(length <= maxBytes || length === first.bytes);
    this.#log.release(read.slice.leaseId);
  }

  #findTimestamp(): void {
    const target = TEST_TIMESTAMP + this.#below(this.#end + 1);
    const found = findByTime(this.#log, target, toOffset(this.#end));
    const expected = this.#batches.filter((batch) => batch.last >= this.#start).flatMap((batch) => batch.records).find((
      record,
    ) => record.timestamp >= target && record.offset >= this.#start);
    assert.deepEqual(
      found && { offset: found.offset as number, timestamp: found.timestamp },
      expected ?? null,
      `the first record at ${target}`,
    );
  }

  #flush(): void {
    assert.equal(this.#log.flush(), true);
    assert.equal(this.#log.recoveryPoint, this.#end);
    this.#flushed = this.#log.recoveryPoint;
  }

  #deleteOldest(): void {
    const count = this.#below(this.#log.segments().length);
    for (const path of deleteSegments(this.#log, count)) this.#fs.remove(path);
    this.#start = this.#log.logStartOffset;
    if (this.#flushed < this.#start) this.#flushed = toOffset(this.#start);
  }

  #reopen(): void {
    const clean = this.#below(2) === 0;
    assert.equal(this.#log.close({ clean }), true);
    this.#log = this.#open(clean);
    assert.deepEqual([this.#log.logStartOffset, this.#log.logEndOffset], [this.#start, this.#end]);
  }
}

function runSequence(seed: number, fs = linuxFileSystem, steps = 200): void {
  using directory = new TestDirectory();
  const modelled = new ModelledLog(directory.partition, randomFrom(seed), fs);
  try {
    for (let i = 0; i < steps; i++) modelled.step();
    modelled.finish();
  } catch (cause) {
    throw new Error(`The sequence of seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
  } finally {
    modelled.close();
  }
}

Deno.test("Log agrees with a list of batches over random appends, rolls, reads, deletions and reopenings", () => {
  const fixed = Deno.env.get("BARNABAS_SEED");
  const sequences = Deno.env.get("BARNABAS_SLOW") ? 1000 : 25;
  const first = chooseSeed();
  for (let i = 0; i < (fixed ? 1 : sequences); i++) runSequence(first + i);
});

Deno.test("the random sequences find a file system that drops one write in a hundred (canary)", () => {
  let writes = 0;
  const forgetful: FileSystem = {
    ...linuxFileSystem,
    pwrite: (fd, memory, start, length, position) =>
      ++writes % 100 === 0 ? length : linuxFileSystem.pwrite(fd, memory, start, length, position),
  };
  assert.throws(() => {
    for (let seed = 1; seed < 10; seed++) runSequence(seed, forgetful);
  }, /BARNABAS_SEED/);
});
