/**
 * Refuses every call by which a follower's log appends, is truncated, is flushed, rolls, and is opened again, once and several times in a
 * row. There may be no exception except the disk's. Nothing that was appended and not cut off may be lost. After the refusals the log must
 * be usable, and no descriptor, mapping or lease may be left.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../storage/base/units.ts";
import { LogResources } from "../storage/log/log_resources.ts";
import { Log } from "../storage/log/log.ts";
import type { LogConfig } from "../storage/log/log_config.ts";
import { storageFailure } from "../storage/log/storage_failure.ts";
import { CrashingFileSystem } from "./crashing_file_system.ts";
import { assertNothingOpen, type Fault, faults, FaultyFileSystem } from "./faulty_file_system.ts";
import { describeProducers, follow, type History, leaderBatch, namesOf, producersOf } from "./leader_batches.ts";
import { findInconsistencies, logOptions, readAll, testConfig } from "./log_fixture.ts";
import { TEST_TIMESTAMP } from "./record_batch_builder.ts";

const DIRECTORY = "/logs/topic-0";
/** Most tries of an action: every refusal ends earlier. */
const TRIES_MAX = 40;

const config: LogConfig = { ...testConfig, segmentBytes: 700, indexIntervalBytes: 150 };

/** A follower with one log, whose fetcher repeats what the disk refused. */
class Scene {
  readonly disk = new CrashingFileSystem(() => 0.5);
  readonly faulty = new FaultyFileSystem(this.disk.fileSystem);
  readonly resources = new LogResources(this.faulty.fileSystem, { warmSegmentsMax: 2 });
  readonly #config: LogConfig;
  #log: Log | null = null;
  #history: History = [];
  #logStartOffset = 0;
  #recoveryPoint = 0;
  #epoch = 1;
  #count = 0;

  constructor(of: LogConfig) {
    this.#config = of;
  }

  /** Does everything that happens to a follower's log. */
  play(): void {
    this.#open(false);
    this.#append(9);
    this.#flush();
    this.#append(4);
    this.#truncateTo(this.#end - 4); // in the active segment
    this.#append(3);
    this.#truncateTo(8); // below the recovery point, several segments
    this.#append(6);
    this.#flush();
    this.#reopen({ clean: false });
    this.#append(4);
    this.#truncateTo(this.#history[10]!.baseOffset); // to a batch at any place
    this.#truncateTo(2);
    this.#truncateTo(0);
    this.#append(5);
    this.#startAt(100);
    this.#append(5);
    this.#truncateTo(104);
    this.#reopen({ clean: true });
    this.#append(2);
    this.#startAt(50);
    this.#append(2);
  }

  /** Compares the log with the history, and checks that nothing is left open. */
  verify(): void {
    this.faulty.refused = null;
    this.#reopen({ clean: false });
    this.#check();
    const log = this.#log as Log;
    assert.deepEqual(describeProducers(log), producersOf(this.#history));
    assert.equal(log.close({ clean: true }), true);
    assertNothingOpen(this);
    const files = this.disk.files().filter(([path]) => path.startsWith(`${DIRECTORY}/`) && !path.endsWith(".deleted"));
    const byName = new Map(files.map(([path, bytes]) => [path.slice(DIRECTORY.length + 1), bytes]));
    assert.deepEqual(findInconsistencies(byName, { isCleaned: true }), []);
  }

  get #end(): number {
    return (this.#log as Log).logEndOffset;
  }

  #check(): void {
    const found = readAll(this.#log as Log, { fs: this.faulty.fileSystem, hasGaps: true });
    assert.equal(namesOf(found), namesOf(this.#history));
    for (const [index, { bytes }] of found.entries()) assert.deepEqual(bytes, this.#history[index]!.bytes);
  }

  #open(cleanShutdown: boolean): void {
    for (let tries = 0; this.#log === null; tries++) {
      assert.ok(tries < TRIES_MAX, "a log opens when nothing is refused any more");
      try {
        this.#log = Log.open(logOptions(DIRECTORY, {
          cleanShutdown,
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
  }

  #reopen(how: { clean: boolean }): void {
    const log = this.#log as Log;
    const isClosed = log.close(how);
    // A checkpoint may be older than a truncation, which lowers the recovery point.
    this.#recoveryPoint = Math.max(this.#recoveryPoint, log.recoveryPoint);
    this.#logStartOffset = log.logStartOffset;
    this.#log = null;
    assertNothingOpen(this);
    this.#open(how.clean && isClosed);
  }

  #append(count: number): void {
    for (let left = count; left > 0; left--) {
      for (let tries = 0;; tries++) {
        assert.ok(tries < TRIES_MAX, "an append succeeds in the end");
        const log = this.#usable();
        const before = log.logEndOffset;
        const batch = leaderBatch({
          baseOffset: before,
          epoch: this.#epoch,
          timestamp: TEST_TIMESTAMP + this.#count,
          producerId: this.#count % 2,
          baseSequence: 2 * this.#count,
          valueBytes: 30,
        });
        const result = follow(log, [batch]);
        if (result.refusal === null) {
          assert.equal(log.logEndOffset, before + 2);
          this.#history = [...this.#history, batch];
          this.#count++;
          break;
        }
        assert.deepEqual([result.refusal, result.batchesCount, log.logEndOffset], ["log-offline", 0, before]);
      }
    }
  }

  #truncateTo(offset: number): void {
    const to = this.#history.filter(({ lastOffset }) => lastOffset < offset);
    this.#truncate(to, (log) => log.truncateTo(toOffset(offset)));
    assert.equal(this.#end, offset);
  }

  #startAt(offset: number): void {
    this.#truncate([], (log) => log.truncateFullyAndStartAt(toOffset(offset)));
    assert.deepEqual([this.#log?.logStartOffset, this.#end], [offset, offset]);
  }

  /** The fetcher tries again; after a failed flush only a restart helps, which finds the log as it was, or a part of it. */
  #truncate(to: History, truncate: (log: Log) => ReturnType<Log["truncateTo"]>): void {
    this.#epoch++;
    for (let tries = 0;; tries++) {
      assert.ok(tries < TRIES_MAX, "a truncation succeeds in the end");
      const log = this.#log as Log;
      const { refusal, removedPaths } = truncate(log);
      for (const path of removedPaths) this.disk.fileSystem.remove(path);
      if (refusal === null) break;
      if (tries % 4 !== 3) continue;
      const before = namesOf(this.#history);
      this.#reopen({ clean: false });
      const found = readAll(this.#log as Log, { fs: this.disk.fileSystem, hasGaps: true });
      assert.ok(before.startsWith(namesOf(found)) && found.length >= to.length, "a part of the log, with what stays");
    }
    this.#history = to;
    assert.equal(this.#log?.offlineReason, null);
  }

  #flush(): void {
    for (let tries = 0; !this.#usable().flush(); tries++) assert.ok(tries < TRIES_MAX, "a flush succeeds in the end");
  }

  /** The log, reopened if it went offline, as a restart does. */
  #usable(): Log {
    if (this.#log?.offlineReason !== null) this.#reopen({ clean: false });
    return this.#log as Log;
  }
}

/** Calls in which the append modes differ. */
const FAULTS_OF_MAPPED = ["map", "allocate", "truncate", "open"] as const;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";

/** Refuses every call of a kind, one after the other. */
function refuseEvery(fault: Fault, count: number, of: LogConfig): void {
  for (let nth = 1;; nth++) {
    const scene = new Scene(of);
    scene.faulty.refused = { fault, nth, count };
    try {
      scene.play();
      scene.verify();
    } catch (cause) {
      throw new Error(`${count} calls of ${fault} were refused from the ${nth}th on`, { cause });
    }
    if (scene.faulty.refusals === 0) return;
  }
}

for (const appendMode of ["pwrite", "mapped"] as const) {
  for (const fault of appendMode === "pwrite" ? faults : FAULTS_OF_MAPPED) {
    Deno.test(`a follower's log loses nothing and stays usable when any ${fault} call is refused (${appendMode})`, () => {
      refuseEvery(fault, 1, { ...config, appendMode });
      if (appendMode === "pwrite" || isSlow) refuseEvery(fault, 5, { ...config, appendMode });
    });
  }
}
