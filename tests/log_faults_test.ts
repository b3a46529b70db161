/**
 * Refuses every call by which a log opens, appends, rolls, flushes, deletes, moves, closes and recovers, once and several times in
 * a row. There may be no exception except the disk's, and every refused append needs a reason. No acknowledged record may be lost.
 * After the refusals the log must be usable, and no descriptor, mapping or lease may be left.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { LogResources } from "../storage/log/log_resources.ts";
import { Log } from "../storage/log/log.ts";
import { storageFailure } from "../storage/log/storage_failure.ts";
import { CrashingFileSystem } from "./crashing_file_system.ts";
import { assertNothingOpen, type Fault, faults, FaultyFileSystem } from "./faulty_file_system.ts";
import { append, findByTime, findInconsistencies, logOptions, readAll, recordsOf, testConfig } from "./log_fixture.ts";
import { TEST_TIMESTAMP } from "./record_batch_builder.ts";

const directory = "/logs/topic-0";
const BATCHES = 26;
/** Most tries of an action: clients and the broker repeat it until it succeeds, and every refusal ends earlier. */
const TRIES_MAX = 30;

/** Number of small batches before the others: an index is mapped only when it is larger than a page, so it needs many entries. */
const SMALL_BATCHES = 600;
const config: LogConfig = { ...testConfig, segmentBytes: 900, indexIntervalBytes: 200 };
const manyEntries: LogConfig = { ...config, segmentBytes: 1_000_000, indexIntervalBytes: 1 };

const producer = (i: number) => ({ producerId: 40, producerEpoch: 0, baseSequence: 2 * i });
const recordsOfBatch = (i: number) => recordsOf(2, i < 0 ? 1 : 20 + i, TEST_TIMESTAMP + 10 * i);

/** A broker with one log, and a client that repeats refused requests. */
class Scene {
  readonly disk = new CrashingFileSystem(() => 0.5);
  readonly faulty = new FaultyFileSystem(this.disk.fileSystem);
  readonly resources = new LogResources(this.faulty.fileSystem, { warmSegmentsMax: 2 });
  #config: LogConfig;
  #log: Log | null = null;
  #acknowledged = 0;
  #logStartOffset = 0;
  #recoveryPoint = 0;

  constructor(of: LogConfig) {
    this.#config = of;
  }

  /** Does everything that a log does in its life. */
  play(): void {
    this.#open({ cleanShutdown: false });
    for (let i = 0; i < BATCHES; i++) {
      this.#append(i);
      if (i % 5 === 4) this.#flush();
      if (i % 7 === 3) this.#flushElsewhere();
      if (i === 9) this.#try("roll", (log) => log.roll(TEST_TIMESTAMP));
      if (i === 13) this.#moveToAnotherShard();
      if (i === 16) this.#deleteSegment();
      if (i === 20) this.#reopen({ clean: false });
      if (i === 23) this.#reopen({ clean: true });
      this.#look();
    }
    this.#reopen({ clean: true });
  }

  /** Fills the indexes beyond a page, then closes and recovers. */
  playManyEntries(): void {
    this.#open({ cleanShutdown: false });
    for (let i = 0; i < SMALL_BATCHES; i++) this.#append(i);
    this.#try("roll", (log) => log.roll(TEST_TIMESTAMP));
    this.#append(SMALL_BATCHES);
    this.#look();
    this.#reopen({ clean: false });
    this.#look();
    this.#reopen({ clean: true });
    this.#look();
  }

  /** Compares the log with the acknowledged records, and checks that nothing is left open. */
  verify(): void {
    this.faulty.refused = null;
    this.#reopen({ clean: false });
    const log = this.#log as Log;
    assert.equal(log.logEndOffset, 2 * this.#acknowledged);
    const found = readAll(log, { fs: this.faulty.fileSystem });
    assert.equal(found.at(-1)?.lastOffset, 2 * this.#acknowledged - 1);
    assert.ok((found[0]?.baseOffset ?? 0) <= Math.max(this.#logStartOffset, log.logStartOffset));
    for (const [index, batch] of found.entries()) {
      assert.equal(batch.baseOffset, (found[0]?.baseOffset ?? 0) + 2 * index);
    }
    assert.equal(append(log, recordsOfBatch(this.#acknowledged - 1), producer(this.#acknowledged - 1)).duplicate, true);
    assert.equal(log.close({ clean: true }), true);
    assertNothingOpen(this);
    const files = this.disk.files().filter(([path]) => path.startsWith(`${directory}/`));
    const byName = new Map(files.map(([path, bytes]) => [path.slice(directory.length + 1), bytes]));
    assert.deepEqual(findInconsistencies(byName), []);
  }

  #open(how: { cleanShutdown: boolean; isHandedOver?: boolean }): void {
    for (let tries = 0; this.#log === null; tries++) {
      assert.ok(tries < TRIES_MAX, "a log opens when nothing is refused any more");
      try {
        this.#log = Log.open(logOptions(directory, {
          ...how,
          fs: this.faulty.fileSystem,
          config: this.#config,
          recoveryPoint: toOffset(this.#recoveryPoint),
          logStartOffset: toOffset(this.#logStartOffset),
          producerIdExpirationMs: Infinity,
          resources: this.resources,
        }));
      } catch (error) {
        storageFailure(error);
        assertNothingOpen(this);
      }
    }
    assert.equal(this.#log.logEndOffset, 2 * this.#acknowledged, "nothing acknowledged is lost, nothing else is there");
  }

  #reopen(how: { clean: boolean }): void {
    const isClosed = this.#log?.close(how) ?? false;
    this.#note();
    this.#log = null;
    assertNothingOpen(this);
    this.#open({ cleanShutdown: how.clean && isClosed });
  }

  /** What the checkpoints say. */
  #note(): void {
    this.#recoveryPoint = this.#log?.recoveryPoint ?? 0;
    this.#logStartOffset = this.#log?.logStartOffset ?? 0;
  }

  /** The log, reopened if it went offline, as a restart does. */
  get #usable(): Log {
    if (this.#log?.offlineReason !== null) this.#reopen({ clean: false });
    return this.#log as Log;
  }

  #try(what: string, action: (log: Log) => boolean): void {
    for (let tries = 0; !action(this.#usable); tries++) assert.ok(tries < TRIES_MAX, `${what} succeeds in the end`);
  }

  #append(i: number): void {
    this.#try("an append", (log) => {
      const before = log.logEndOffset;
      const result = append(log, recordsOfBatch(i), { leaderEpoch: i < 11 ? 0 : 3, ...producer(i) });
      if (result.refusal === null) {
        assert.deepEqual([result.baseOffset, result.duplicate, log.logEndOffset], [2 * i, false, 2 * i + 2]);
        this.#acknowledged = i + 1;
        return true;
      }
      assert.equal(result.refusal, "log-offline", result.message);
      assert.match(result.message, /^Cannot append at offset \d+: ./);
      assert.equal(log.logEndOffset, before);
      return false;
    });
  }

  #flush(): void {
    this.#try("a flush", (log) => {
      const ok = log.flush();
      assert.ok(!ok || log.recoveryPoint === log.logEndOffset);
      return ok;
    });
  }

  /** Flushes as the main isolate does for a shard. */
  #flushElsewhere(): void {
    const { fileSystem } = this.faulty;
    this.#try("a flush elsewhere", (log) => {
      const request = attempt(() => log.beginFlush());
      if (request === undefined) return false;
      if (request === null) return true;
      let outcome: "flushed" | "failed" | "postponed" = "flushed";
      for (const fd of request.fds) if (!fileSystem.fdatasync(fd)) outcome = "failed";
      for (const path of request.directories) {
        const ok = attempt(() => fileSystem.syncDirectory(path));
        if (ok === false) outcome = "failed";
        if (ok === undefined && outcome === "flushed") outcome = "postponed";
      }
      log.endFlush(request, outcome);
      return outcome === "flushed" && log.recoveryPoint === log.logEndOffset;
    });
  }

  #moveToAnotherShard(): void {
    this.#try("a move", (log) => log.handOver());
    this.#note();
    this.#log = null;
    assertNothingOpen(this);
    this.#open({ cleanShutdown: true, isHandedOver: true });
  }

  #deleteSegment(): void {
    this.#try("a deletion", (log) => {
      const paths = attempt(() => log.deleteOldestSegment());
      for (const path of paths ?? []) attempt(() => this.faulty.fileSystem.remove(path));
      return paths !== undefined;
    });
  }

  /** Reads and searches; this may be refused, but without refusals everything must be found. */
  #look(): void {
    this.#try("a read", (log) => {
      const from = log.logStartOffset;
      const read = log.read(from, { maxBytes: 150, maxOffset: log.logEndOffset, atLeastOne: true });
      if (read.slice !== null) log.release(read.slice.leaseId);
      return read.refusal === null && read.slice !== null;
    });
    const last = this.#acknowledged - 1;
    this.#try("a search", (log) => {
      const found = attempt(() => findByTime(log, TEST_TIMESTAMP + 10 * last, log.logEndOffset));
      assert.ok(found === undefined || found?.offset === 2 * last);
      return found !== undefined;
    });
    this.#try("a look at the segments", (log) => attempt(() => log.segments()) !== undefined);
  }
}

/** @returns undefined when the disk refused @throws any other error */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    storageFailure(error);
    return undefined;
  }
}

const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
/** Calls in which the append modes differ. */
const FAULTS_OF_MAPPED = ["map", "allocate", "truncate", "open"] as const;

type Run = { of: LogConfig; play: (scene: Scene) => void };

/** Refuses every call of a kind, one per run. @returns the number of calls */
function refuseEvery(fault: Fault, count: number, { of, play }: Run): number {
  for (let nth = 1;; nth++) {
    const scene = new Scene(of);
    scene.faulty.refused = { fault, nth, count };
    try {
      play(scene);
      scene.verify();
    } catch (cause) {
      throw new Error(`${count} calls of ${fault} were refused from the ${nth}th on`, { cause });
    }
    if (scene.faulty.refusals === 0) return nth - 1;
  }
}

for (const appendMode of ["pwrite", "mapped"] as const) {
  const run: Run = { of: { ...config, appendMode }, play: (scene) => scene.play() };
  const runMany: Run = { of: { ...manyEntries, appendMode }, play: (scene) => scene.playManyEntries() };
  for (const fault of appendMode === "pwrite" ? faults : FAULTS_OF_MAPPED) {
    Deno.test(`Log loses nothing and stays usable when any ${fault} call is refused (${appendMode})`, () => {
      const calls = refuseEvery(fault, 1, run);
      assert.ok(calls > 0 || fault === "map" && appendMode === "pwrite", `the log called ${fault}`);
      if (appendMode === "pwrite" || isSlow) refuseEvery(fault, 5, run);
    });
  }
  for (const fault of ["map", "open", "allocate", "truncate"] as const) {
    Deno.test(`Log loses nothing while large indexes grow when any ${fault} call is refused (${appendMode})`, () => {
      assert.ok(refuseEvery(fault, 1, runMany) > 0);
    });
  }
}

Deno.test("the fault test finds a file system that leaves a descriptor open (canary)", () => {
  const scene = new Scene(config);
  const { fileSystem } = scene.faulty;
  const { close } = fileSystem;
  let closes = 0;
  fileSystem.close = (fd) => void (++closes === 20 || close(fd));
  assert.throws(() => scene.play(), /descriptors, mappings and leases that are left/);
});
