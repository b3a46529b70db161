/**
 * Lives of one log, by a seed: it is written, flushed, rolled, cleaned, shortened by retention and clients, moved between shards, and its
 * checkpoints are written, each at any time between the steps of the others. A life ends in a kill, a loss of power at any call that changes
 * a file, or a clean stop, and sometimes the next start ends so too. After each start the log is compared with a model (storage_model.ts).
 * Test code.
 *
 * What the shards and the main isolate do around a log (partitions/) is done here in the same order, by one thread.
 */
import { strict as assert } from "node:assert";
import { ManualClock } from "../storage/base/clock.ts";
import { createRandom } from "../storage/base/random.ts";
import { toOffset } from "../storage/base/units.ts";
import { decideRetention } from "../storage/cleaner/retention.ts";
import { Log } from "../storage/log/log.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import type { FlushRequest } from "../storage/log/log_types.ts";
import { codecNames } from "../storage/records/record_batch.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { decodeBatch } from "./cleaning_fixture.ts";
import { Crash, CrashingFileSystem, type Survival } from "./crashing_file_system.ts";
import { append, logOptions, readAll } from "./log_fixture.ts";
import { TEST_TIMESTAMP } from "./record_batch_builder.ts";
import { randomConfig, randomPolicy, randomRecords } from "./simulated_config.ts";
import { SimulatedCleaning } from "./simulated_cleaning.ts";
import { checkFiles, PARTITION_DIRECTORY, type PlantedInDirectory, SimulatedDirectory } from "./simulated_directory.ts";
import { checkRetention, type SentBatch, sentBatch, type ServedLog, StorageModel } from "./storage_model.ts";

const TOPIC_ID = "zquKKtglnpoYNVDtWJ6LTw";
const ACTS_MAX = 60;
const PRODUCERS = 3;
const SECOND_MS = 1000;

/** Mistakes that the simulation has to find. */
export interface Planted extends PlantedInDirectory {
  readonly fileSystem?: (fs: FileSystem) => FileSystem;
  /** Retention does not look at the high watermark. */
  readonly ignoresHighWatermark?: boolean;
}

/** One log, its disk, and what is known about it outside. */
export class StorageLives {
  /** What happened. */
  readonly counts = { crashes: 0, startCrashes: 0, cleanStops: 0, cleanings: 0, retained: 0, removed: 0, moves: 0 };
  readonly #random: () => number;
  readonly #disk: CrashingFileSystem;
  readonly #fs: FileSystem;
  readonly #planted: Planted;
  readonly #clock = new ManualClock(TEST_TIMESTAMP);
  readonly #model: StorageModel;
  readonly #directory: SimulatedDirectory;
  /** Whether records are committed once they are durable (`flush.messages=1`), else once they are written. */
  readonly #isFlushed: boolean;
  readonly #keysCount: number;
  readonly #dedupeBufferBytes: number;
  #config: LogConfig;
  #log: Log | null = null;
  #leaderEpoch = 0;
  #producerIds = Array.from({ length: PRODUCERS }, (_, index) => index + 1);
  #nextProducerId = PRODUCERS + 1;
  #flush: FlushRequest | null = null;
  #cleaning: SimulatedCleaning | null = null;
  #cleanBelow: number | null = null;
  #unlinkable: string[] = [];
  /** Highest log start that was ever decided. Epochs below are forgotten, also if a crash brings the records back. */
  #highestStart = 0;
  /** Whether the last stop may have lost what was not durable. */
  #hasLost = false;

  /** @param seed of everything that happens; what survives has a generator of its own, so that a crash changes nothing before it */
  constructor(seed: number, planted: Planted = {}) {
    this.#random = createRandom(seed);
    this.#disk = new CrashingFileSystem(createRandom(seed ^ 0x5ca1ab1e));
    this.#planted = planted;
    this.#fs = planted.fileSystem?.(this.#disk.fileSystem) ?? this.#disk.fileSystem;
    this.#directory = new SimulatedDirectory(this.#fs, planted);
    this.#isFlushed = this.#random() < 0.5;
    this.#keysCount = 1 + this.#below(8);
    this.#dedupeBufferBytes = this.#random() < 0.3 ? 24 * 8 : 4096;
    const deleteRetentionMs = this.#below(3) * 5 * SECOND_MS;
    this.#model = new StorageModel(deleteRetentionMs);
    this.#config = randomConfig(this.#random, deleteRetentionMs);
  }

  /**
   * Starts, checks, lives and ends.
   * @param crash when and how the life ends, by default at random @returns whether the machine stopped within a call
   */
  live(crash?: { afterCalls: number; survival: Survival }): boolean {
    this.#start();
    const survival = (["all", "none", "random"] as const)[this.#below(3)]!;
    const afterCalls = 1 + this.#below(150);
    const endsClean = this.#random() < 0.15 && crash === undefined;
    const acts = 1 + this.#below(ACTS_MAX);
    if (!endsClean) this.#disk.crashAt = this.#disk.calls + (crash?.afterCalls ?? afterCalls);
    const isStopped = this.#untilCrash(() => {
      for (let count = 0; count < acts; count++) this.#act();
      if (endsClean) this.#stop();
    });
    if (!endsClean) this.counts.crashes++;
    this.#endMachine(endsClean ? "all" : crash?.survival ?? survival);
    return isStopped;
  }

  /** Starts and checks a last time. */
  finish(): void {
    this.#start();
    this.#stop();
  }

  get #open(): Log {
    assert.ok(this.#log !== null);
    return this.#log;
  }

  get #highWatermark(): number {
    return this.#isFlushed ? this.#model.durableEnd : this.#open.logEndOffset;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** @returns whether the machine stopped */
  #untilCrash(action: () => void): boolean {
    try {
      action();
      return false;
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      return true;
    }
  }

  #endMachine(survival: Survival): void {
    this.#untilCrash(() => this.#cleaning?.[Symbol.dispose]());
    this.#cleaning = null;
    this.#flush = null;
    this.#unlinkable = [];
    this.#log = null;
    this.#hasLost ||= survival !== "all";
    this.#directory.end(survival !== "all");
    this.#disk.restart(survival);
  }

  /** Starts until a start is not interrupted, and checks what is there. */
  #start(): void {
    while (this.#random() < 0.2) {
      const survival = (["all", "none", "random"] as const)[this.#below(3)]!;
      this.#disk.crashAt = this.#disk.calls + 1 + this.#below(40);
      if (this.#untilCrash(() => this.#openLog())) this.counts.startCrashes++;
      this.#endMachine(survival);
    }
    this.#openLog();
    const log = this.#open;
    assert.ok(log.becomeLeader(++this.#leaderEpoch));
    this.#model.checkReopened(this.#served(), { hasLost: this.#hasLost });
    this.#checkProducers();
    this.#hasLost = false;
  }

  #openLog(): void {
    const options = this.#directory.start();
    this.#cleanBelow = this.#directory.cleanBelow;
    this.#log = Log.open(this.#options(options));
    this.#directory.onOpened(this.#log);
  }

  #options(changes: Parameters<typeof logOptions>[1]) {
    return logOptions(PARTITION_DIRECTORY, {
      fs: this.#fs,
      clock: this.#clock,
      config: this.#config,
      topicId: TOPIC_ID,
      producerIdExpirationMs: Infinity,
      ...changes,
    });
  }

  #served(): ServedLog {
    const { logStartOffset, logEndOffset } = this.#open;
    const found = readAll(this.#open, { fs: this.#fs, maxBytes: 1 + this.#below(3000), hasGaps: true });
    for (const { lastOffset, leaderEpoch } of found) {
      if (lastOffset < this.#highestStart) continue;
      assert.equal(this.#open.epochFor(toOffset(lastOffset)), leaderEpoch, `the epoch at ${lastOffset}`);
    }
    return { logStartOffset, logEndOffset, batches: found.map(({ bytes }) => decodeBatch(bytes)) };
  }

  /** A producer whose last batch is in the log may send it again. One whose batches are lost or deleted goes on with another id. */
  #checkProducers(): void {
    for (const [index, producerId] of this.#producerIds.entries()) {
      const last = this.#model.lastOf(producerId);
      const isServed = last !== null && last.stored.baseOffset >= this.#open.logStartOffset;
      const isUncertain = this.#model.isUncertain(producerId);
      if (last !== null && isServed && !isUncertain) this.#sendAgain(last);
      if (!isServed || isUncertain) this.#producerIds[index] = this.#nextProducerId++;
    }
  }

  #sendAgain({ records, options, stored }: SentBatch): void {
    this.#open.configure({ ...this.#config, compact: false }); // the records may be from a time when they needed no key
    const { duplicate, baseOffset, message } = append(this.#open, records, options);
    this.#open.configure(this.#config);
    assert.ok(duplicate, `batch ${stored.baseOffset} of producer ${stored.producerId} is stored twice: ${message}`);
    assert.equal(baseOffset, stored.baseOffset);
  }

  /** A clean stop. Cleanings are aborted before, and swaps are done to their end. */
  #stop(): void {
    while (this.#cleaning?.isSwapping) this.#continueCleaning(this.#cleaning);
    this.#abortCleaning();
    this.#endFlush();
    const log = this.#open;
    assert.ok(log.close({ clean: true }));
    this.#model.durableEnd = log.logEndOffset;
    this.#directory.stop(log);
    this.#model.durableStart = this.#directory.durableStart;
    this.counts.cleanStops++;
    if (this.#random() < 0.2) checkFiles(this.#fs, this.#disk.files());
  }

  #act(): void {
    const dice = this.#below(100);
    for (let steps = this.#below(4); steps > 0 && this.#cleaning !== null; steps--) {
      this.#continueCleaning(this.#cleaning);
    }
    if (dice < 40) this.#append();
    else if (dice < 46) assert.ok(this.#open.roll(this.#clock.wallMs()));
    else if (dice < 52) this.#flushAll();
    else if (dice < 60) this.#flush === null ? this.#beginFlush() : this.#endFlush();
    else if (dice < 68) this.#checkpoint();
    else if (dice < 71) this.#deleteRecords();
    else if (dice < 77) this.#retain();
    else if (dice < 82) this.#removeSegments();
    else if (dice < 85) { for (const path of this.#unlinkable.splice(0)) this.#fs.remove(path); }
    else if (dice < 89) this.#clock.advance(this.#below(10 * SECOND_MS));
    else if (dice < 97) this.#beginCleaning();
    else if (dice < 98) this.#configure();
    else this.#move();
  }

  #append(): void {
    const log = this.#open;
    const { compact } = this.#config;
    const records = randomRecords(this.#random, { keysCount: this.#keysCount, nowMs: this.#clock.wallMs(), compact });
    const producerId = [-1, ...this.#producerIds][this.#below(1 + PRODUCERS)]!;
    const last = producerId < 0 ? null : this.#model.lastOf(producerId);
    const baseSequence = last === null ? 0 : last.stored.baseSequence + last.records.length;
    const options = {
      codec: codecNames[this.#random() < 0.9 ? 0 : this.#below(codecNames.length)]!,
      ...(producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence }),
    };
    const baseOffset = log.logEndOffset;
    this.#model.send(sentBatch(records, options, { baseOffset, partitionLeaderEpoch: this.#leaderEpoch }));
    const sent = { ...options, leaderEpoch: this.#leaderEpoch, nowMs: this.#clock.wallMs() };
    const result = append(log, records, sent);
    assert.deepEqual([result.refusal, result.baseOffset], [null, baseOffset], result.message);
    this.#model.onAppended();
  }

  #flushAll(): void {
    assert.ok(this.#open.flush());
    this.#model.durableEnd = this.#open.logEndOffset;
  }

  #beginFlush(): void {
    this.#flush = this.#open.beginFlush();
  }

  #endFlush(): void {
    if (this.#flush === null) return;
    const { fds, directories } = this.#flush;
    for (const fd of fds) this.#fs.fdatasync(fd);
    for (const directory of directories) this.#fs.syncDirectory(directory);
    this.#open.endFlush(this.#flush, "flushed");
    this.#flush = null;
    this.#model.durableEnd = Math.max(this.#model.durableEnd, this.#open.recoveryPoint);
  }

  #checkpoint(): void {
    const isLogStart = this.#random() < 0.5;
    this.#directory.checkpoint(this.#open, isLogStart);
    if (this.#random() < 0.7) this.#directory.checkpoint(this.#open, isLogStart);
    this.#model.durableStart = this.#directory.durableStart;
  }

  /** A client deletes records that are committed. */
  #deleteRecords(): void {
    const { logStartOffset } = this.#open;
    const count = Math.max(0, this.#highWatermark - logStartOffset);
    this.#moveLogStart(logStartOffset + this.#below(count + 1));
  }

  #moveLogStart(offset: number): void {
    this.#model.decidedStart = Math.max(this.#model.decidedStart, offset);
    this.#highestStart = Math.max(this.#highestStart, offset);
    this.#open.incrementLogStartOffset(toOffset(offset));
  }

  #retain(): void {
    if (this.#cleaning !== null || !this.#config.delete) return;
    const log = this.#open;
    const watermark = this.#planted.ignoresHighWatermark ? log.logEndOffset : this.#highWatermark;
    for (;;) {
      const retained = log.retained(toOffset(watermark));
      const { unknownAt, endOffset, isRollDue } = decideRetention(retained, this.#config, this.#clock.wallMs());
      if (unknownAt >= 0) {
        retained.segments[unknownAt]?.learnRetentionTimestamp();
        continue;
      }
      if (endOffset === null) return;
      const limits = {
        endOffset,
        highWatermark: this.#highWatermark,
        nowMs: this.#clock.wallMs(),
        rules: this.#config,
      };
      checkRetention(this.#served(), log.segments(), limits);
      if (isRollDue) assert.ok(log.roll(this.#clock.wallMs()));
      this.#moveLogStart(endOffset);
      this.counts.retained++;
      return;
    }
  }

  #removeSegments(): void {
    if (this.#cleaning !== null) return;
    const log = this.#open;
    while (log.maySegmentBeDeleted) {
      this.#unlinkable.push(...log.deleteOldestSegment());
      this.counts.removed++;
      if (this.#random() < 0.5) this.#flushAll();
    }
  }

  #beginCleaning(): void {
    if (this.#cleaning !== null || !this.#config.compact) return;
    this.#cleaning = SimulatedCleaning.begin({
      fs: this.#fs,
      log: this.#open,
      config: this.#config,
      highWatermark: this.#highWatermark,
      cleanBelow: this.#cleanBelow,
      nowMs: this.#clock.wallMs(),
      dedupeBufferBytes: this.#dedupeBufferBytes,
    });
    if (this.#cleaning !== null) this.#model.onCleaning(this.#cleaning.begun);
  }

  #continueCleaning(cleaning: SimulatedCleaning): void {
    const isDone = cleaning.continue(1 + this.#below(3));
    this.#unlinkable.push(...cleaning.takeRemovedPaths());
    const { nextDirtyOffset } = cleaning;
    if (!isDone) return;
    assert.ok(nextDirtyOffset !== null);
    cleaning[Symbol.dispose]();
    this.#cleaning = null;
    this.#cleanBelow = nextDirtyOffset;
    this.counts.cleanings++;
    this.#model.checkCleaned(this.#served(), nextDirtyOffset);
    this.#directory.writeCleanBelow(nextDirtyOffset);
  }

  /** @returns whether none is under way */
  #abortCleaning(): boolean {
    if (this.#cleaning?.isSwapping) return false;
    this.#cleaning?.[Symbol.dispose]();
    this.#cleaning = null;
    return true;
  }

  /** The topic gets another policy, which aborts a cleaning. */
  #configure(): void {
    this.#config = { ...this.#config, ...randomPolicy(this.#random) };
    this.#open.configure(this.#config);
    if (!this.#config.compact) this.#abortCleaning();
  }

  /** The log is handed over to another shard. */
  #move(): void {
    if (this.#flush !== null || !this.#abortCleaning()) return;
    const before = this.#open;
    assert.ok(before.handOver());
    const { recoveryPoint, logStartOffset, logEndOffset } = before;
    const options = { cleanShutdown: true, isHandedOver: true, recoveryPoint, logStartOffset };
    this.#log = Log.open(this.#options(options));
    assert.equal(this.#open.logEndOffset, logEndOffset);
    this.counts.moves++;
  }
}
