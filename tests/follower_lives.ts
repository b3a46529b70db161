/**
 * Lives of a follower's log, by a seed: it takes batches of its leader, is truncated by leader changes, flushed, rolled, shortened from its
 * start, moved between shards, and its checkpoints are written, in any order. A life ends in a kill, a loss of power at any call that
 * changes a file, or a clean stop; a truncation may be left by any of them. After each start the log is compared with the histories that it
 * had. Test code.
 *
 *   history   the batches of the log between two truncations. A log may be that of an earlier history as long as no flush has ended since,
 *             but it never has batches of two: each batch belongs to one of them, and none that is promised is missing
 *   promised  below the recovery point, and not cut off since
 */
import { strict as assert } from "node:assert";
import { ManualClock } from "../storage/base/clock.ts";
import { createRandom } from "../storage/base/random.ts";
import { toOffset } from "../storage/base/units.ts";
import { Log } from "../storage/log/log.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import type { FlushRequest } from "../storage/log/log_types.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { Crash, CrashingFileSystem, type Survival } from "./crashing_file_system.ts";
import { type Candidate, historyOf, latestHistories, type TruncatedHistory } from "./follower_histories.ts";
import {
  describeProducers,
  follow,
  followerConfig,
  type History,
  isPartOf,
  type LeaderBatch,
  namesOf,
  producersOf,
  randomBatch,
  TIMES,
} from "./leader_batches.ts";
import { findByTime, logOptions, readAll } from "./log_fixture.ts";
import { TEST_TIMESTAMP } from "./record_batch_builder.ts";
import { checkFiles, PARTITION_DIRECTORY, type PlantedInDirectory, SimulatedDirectory } from "./simulated_directory.ts";

const TOPIC_ID = "zquKKtglnpoYNVDtWJ6LTw";
const ACTS_MAX = 50;
/** Of a life that is stopped at every call, one after the other. */
const STOPPED_ACTS_MAX = 12;
const PRODUCERS = 3;

/** Mistakes that the simulation has to find. */
export interface Planted extends PlantedInDirectory {
  /** @param isTruncating says whether the log is being truncated */
  readonly fileSystem?: (fs: FileSystem, isTruncating: () => boolean) => FileSystem;
}

/** The log of one follower, its disk, and what is known about it outside. */
export class FollowerLives {
  /** What happened. */
  readonly counts = {
    crashes: 0,
    startCrashes: 0,
    cleanStops: 0,
    truncations: 0,
    restarts: 0,
    inTruncations: 0,
    moves: 0,
  };
  readonly #random: () => number;
  readonly #disk: CrashingFileSystem;
  readonly #fs: FileSystem;
  readonly #clock = new ManualClock(TEST_TIMESTAMP);
  readonly #directory: SimulatedDirectory;
  readonly #config: LogConfig;
  #log: Log | null = null;
  #leaderEpoch = 1;
  /** Epoch of the leader's batches that come next. */
  #epoch = 1;
  #flush: FlushRequest | null = null;
  #unlinkable: string[] = [];
  /** The batches of the log now. */
  #now: History = [];
  /** Earlier histories that a loss of power may bring back. */
  #earlier: Candidate[] = [];
  #promised: History = [];
  /** Batches whose append has no answer. */
  #unanswered: History = [];
  /** What the log is before and after a truncation that has no answer: anything in between may be found. */
  #truncating: TruncatedHistory | null = null;
  /** Batches below a log start that was decided: they may be gone, and their epochs are forgotten, also if a crash brings them back. */
  readonly #deleted = new Set<LeaderBatch>();
  /** Producers from this id on are those since the last loss of power, which may have taken batches that a snapshot knows. */
  #firstProducerId = 1;
  #hasLost = false;
  #mayEndEarly = false;

  /** @param seed of everything that happens; what survives has a generator of its own, so that a crash changes nothing before it */
  constructor(seed: number, planted: Planted = {}) {
    this.#random = createRandom(seed);
    this.#disk = new CrashingFileSystem(createRandom(seed ^ 0x5ca1ab1e));
    this.#fs = planted.fileSystem?.(this.#disk.fileSystem, () => this.#truncating !== null) ?? this.#disk.fileSystem;
    this.#directory = new SimulatedDirectory(this.#fs, planted);
    this.#config = followerConfig(this.#random);
  }

  /**
   * Starts, checks, lives and ends.
   * @param crash when and how the life ends, by default at random @returns whether the machine stopped within a call
   */
  live(crash?: { afterCalls: number; survival: Survival }): boolean {
    this.#start();
    const survival = (["all", "none", "random", "random"] as const)[this.#below(4)]!;
    const afterCalls = 1 + this.#below(150);
    const endsClean = this.#random() < 0.15 && crash === undefined;
    const acts = 1 + this.#below(crash === undefined ? ACTS_MAX : STOPPED_ACTS_MAX);
    if (!endsClean) this.#disk.crashAt = this.#disk.calls + (crash?.afterCalls ?? afterCalls);
    this.#mayEndEarly = !endsClean && crash === undefined;
    const isStopped = this.#untilCrash(() => {
      for (let count = 0; count < acts; count++) this.#act();
      if (endsClean) this.#stop();
    });
    if (!endsClean) this.counts.crashes++;
    if (this.#truncating !== null) this.counts.inTruncations++;
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
    this.#checkReopened();
    this.#hasLost = false;
  }

  #openLog(): void {
    this.#log = Log.open(this.#options(this.#directory.start()));
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

  #checkReopened(): void {
    const log = this.#open;
    const found = readAll(log, { fs: this.#fs, maxBytes: 1 + this.#below(3000), hasGaps: true });
    const isServed = (one: LeaderBatch) => one.lastOffset >= log.logStartOffset && !this.#deleted.has(one);
    const history = historyOf(found, this.#candidates(), {
      isServed,
      isWhole: !this.#hasLost,
      logEndOffset: log.logEndOffset,
      lostFrom: log.found.lostFrom,
    });
    const bases = new Set(found.map(({ baseOffset }) => baseOffset));
    const kept = history.filter(({ baseOffset }) => bases.has(baseOffset));
    const missing = this.#promised.filter((one) => isServed(one) && !kept.includes(one));
    assert.deepEqual(namesOf(missing), namesOf([]), `promised, but missing in [${namesOf(found)}]`);
    // The start of a log is that of its files. Deleted batches are part of the history as long as their producers are.
    const deleted = this.#hasLost ? [] : history.filter((one) => !kept.includes(one));
    this.#now = [...deleted, ...kept];
    this.#promised = this.#promised.filter((one) => kept.includes(one));
    if (this.#hasLost) this.#earlier = [];
    // Where a truncation is undone, the log may know a later epoch: no leader goes back to an earlier one.
    if ((this.#now.at(-1)?.epoch ?? 0) > this.#epoch) this.#epoch = this.#leaderEpoch;
    const isEmpty = log.logStartOffset === log.logEndOffset;
    if (this.#hasLost || isEmpty || this.#truncating?.startsAt !== undefined) this.#firstProducerId += PRODUCERS;
    this.#unanswered = [];
    this.#truncating = null;
    this.#check();
  }

  /** The histories that may be found. */
  #candidates(): Candidate[] {
    const now = { batches: this.#now, promised: this.#promised };
    const truncating = this.#truncating ?? { from: now, to: this.#now };
    const lately = latestHistories(now, { truncating, unanswered: this.#unanswered, end: this.#open.logEndOffset });
    return this.#hasLost ? [...lately, ...this.#earlier] : lately;
  }

  /** Compares an open log with its history. */
  #check(): void {
    const log = this.#open;
    const found = readAll(log, { fs: this.#fs, maxBytes: 1 + this.#below(3000), hasGaps: true });
    const served = this.#now.filter(({ lastOffset }) => lastOffset >= log.logStartOffset);
    assert.deepEqual(namesOf(found), namesOf(served));
    assert.ok(isPartOf(found, served), "batches are what they were");
    const end = (found.at(-1)?.lastOffset ?? -1) + 1;
    assert.ok(log.logEndOffset >= end && log.recoveryPoint <= log.logEndOffset);
    const known = served.filter((batch) => !this.#deleted.has(batch));
    for (const { lastOffset, epoch } of known) {
      assert.equal(log.epochFor(toOffset(lastOffset)), epoch, `at ${lastOffset}`);
    }
    if (known.length > 0) assert.equal(log.latestLeaderEpoch, known.at(-1)!.epoch);
    const isAsked = (id: number) => id >= this.#firstProducerId;
    assert.deepEqual(describeProducers(log, isAsked), producersOf(this.#now, isAsked), "the producers");
    const timestamp = TEST_TIMESTAMP + this.#below(TIMES);
    const first = served.find((batch) => batch.timestamp >= timestamp);
    const byTime = findByTime(log, timestamp, log.logEndOffset)?.offset ?? -1;
    const isFound = first === undefined ? byTime === -1 : byTime >= first.baseOffset && byTime <= first.lastOffset;
    assert.ok(isFound, `the first record at ${timestamp} is at ${byTime}, not in ${first?.baseOffset}`);
  }

  /** A clean stop. */
  #stop(): void {
    this.#endFlush();
    const log = this.#open;
    assert.ok(log.close({ clean: true }));
    this.#promiseAll();
    this.#directory.stop(log);
    this.counts.cleanStops++;
    if (this.#random() < 0.5) checkFiles(this.#fs, this.#disk.files());
  }

  #act(): void {
    const dice = this.#below(100);
    if (dice < 50) this.#append();
    else if (dice < 62) this.#changeHistory();
    else if (dice < 64) this.#startElsewhere();
    else if (dice < 68) assert.ok(this.#open.roll(this.#clock.wallMs()));
    else if (dice < 74) this.#flushAll();
    else if (dice < 82) this.#flush === null ? this.#flush = this.#open.beginFlush() : this.#endFlush();
    else if (dice < 90) this.#directory.checkpoint(this.#open, this.#random() < 0.3);
    else if (dice < 93) this.#moveLogStart();
    else if (dice < 95 && this.#open.maySegmentBeDeleted) this.#unlinkable.push(...this.#open.deleteOldestSegment());
    else if (dice < 97) { for (const path of this.#unlinkable.splice(0)) this.#fs.remove(path); }
    else this.#move();
  }

  #append(): void {
    const log = this.#open;
    if (this.#random() < 0.2) this.#epoch = this.#leaderEpoch;
    const batches: LeaderBatch[] = [];
    const producers = { first: this.#firstProducerId, count: PRODUCERS };
    let next = log.logEndOffset as number;
    for (let count = 1 + this.#below(3); count > 0; count--) {
      batches.push(randomBatch(this.#random, { logEndOffset: next, epoch: this.#epoch, producers }));
      next = batches.at(-1)!.lastOffset + 1;
    }
    this.#unanswered = batches;
    const result = follow(log, batches, { leaderEpoch: this.#leaderEpoch, partialBytes: this.#below(80) });
    assert.deepEqual([result.refusal, result.batchesCount], [null, batches.length], result.message);
    assert.equal(log.logEndOffset, next);
    this.#now = [...this.#now, ...batches];
    this.#unanswered = [];
  }

  /** The leader changes. Sometimes what is cut off was durable, and the machine stops before anything of the other history is. */
  #changeHistory(): void {
    if (!this.#mayEndEarly || this.#random() < 0.7) return this.#truncate();
    this.#flushAll();
    const { logEndOffset } = this.#open;
    this.#truncate();
    do this.#append(); while (this.#open.logEndOffset < logEndOffset);
    assert.ok(this.#open.roll(this.#clock.wallMs()));
    this.#append();
    this.#disk.crashAt = Math.min(this.#disk.crashAt, this.#disk.calls + 1 + this.#below(5));
  }

  /** The log is that of another history from some offset on. */
  #truncate(): void {
    const log = this.#open;
    const isUnclean = this.#random() < 0.1;
    const start = log.logStartOffset;
    const lowest = isUnclean ? 0 : start;
    const recent = this.#random() < 0.7 ? Math.max(lowest, log.logEndOffset - 12) : lowest;
    const offset = recent + this.#below(log.logEndOffset + 3 - recent);
    // Below the first segment, which may be there no more, everything goes, with the producers of batches that were deleted.
    if (offset < log.segments()[0]!.baseOffset) return this.#restart(offset, () => log.truncateTo(toOffset(offset)));
    const before = log.logEndOffset;
    const from = this.#now;
    const to = from.filter(({ lastOffset }) => lastOffset < offset);
    const first = from.find(({ lastOffset }) => lastOffset >= offset);
    this.#beginTruncation(from, to);
    const { refusal, removedPaths } = log.truncateTo(toOffset(offset));
    assert.equal(refusal, null);
    this.#unlinkable.push(...removedPaths);
    const end = Math.min(before, offset, first?.baseOffset ?? Infinity);
    // A batch below the log start may still be in its segment, and is cut off as well.
    assert.ok(log.logEndOffset === end || (offset < start && log.logEndOffset < end), `truncated to ${offset}`);
    this.counts.truncations++;
    this.#endTruncation(to);
  }

  #startElsewhere(): void {
    const log = this.#open;
    const offset = this.#below(log.logEndOffset + 20);
    this.#restart(offset, () => log.truncateFullyAndStartAt(toOffset(offset)));
  }

  #restart(offset: number, truncate: () => ReturnType<Log["truncateTo"]>): void {
    const log = this.#open;
    this.#beginTruncation(this.#now, []);
    this.#truncating = { ...this.#truncating!, startsAt: offset };
    const { refusal, removedPaths } = truncate();
    assert.equal(refusal, null);
    this.#unlinkable.push(...removedPaths);
    assert.deepEqual([log.logStartOffset, log.logEndOffset], [offset, offset]);
    this.counts.restarts++;
    this.#endTruncation([]);
  }

  #beginTruncation(from: History, to: History): void {
    const before = { batches: from, promised: this.#promised };
    this.#truncating = { from: before, to };
    this.#earlier.push(before);
    this.#promised = this.#promised.filter((one) => to.includes(one));
    // The other history may go on in an epoch that this one has left earlier.
    this.#leaderEpoch++;
    this.#epoch = this.#random() < 0.4 ? to.at(-1)?.epoch ?? this.#leaderEpoch : this.#leaderEpoch;
  }

  #endTruncation(to: History): void {
    this.#now = to;
    this.#truncating = null;
    if (this.#random() < 0.5) this.#check();
  }

  #flushAll(): void {
    assert.ok(this.#open.flush());
    this.#promiseAll();
    if (this.#flush === null) this.#earlier = [];
  }

  #promiseAll(): void {
    assert.equal(this.#open.recoveryPoint, this.#open.logEndOffset);
    this.#promised = this.#now;
  }

  #endFlush(): void {
    if (this.#flush === null) return;
    const { fds, directories } = this.#flush;
    for (const fd of fds) this.#fs.fdatasync(fd);
    for (const directory of directories) this.#fs.syncDirectory(directory);
    this.#open.endFlush(this.#flush, "flushed");
    this.#flush = null;
    const { recoveryPoint } = this.#open;
    const promised = this.#now.filter((one) => one.lastOffset < recoveryPoint);
    this.#promised = [...new Set([...this.#promised, ...promised])];
  }

  #moveLogStart(): void {
    const log = this.#open;
    const start = toOffset(log.logStartOffset + this.#below(log.logEndOffset - log.logStartOffset + 1));
    for (const batch of this.#now) if (batch.lastOffset < start) this.#deleted.add(batch);
    log.incrementLogStartOffset(start);
  }

  /** The log is handed over to another shard. */
  #move(): void {
    if (this.#flush !== null) return;
    const before = this.#open;
    assert.ok(before.handOver());
    const { recoveryPoint, logStartOffset, logEndOffset } = before;
    const options = { cleanShutdown: true, isHandedOver: true, recoveryPoint, logStartOffset };
    this.#log = Log.open(this.#options(options));
    assert.equal(this.#open.logEndOffset, logEndOffset);
    this.counts.moves++;
  }
}
