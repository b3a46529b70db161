/**
 * A log whose records all go: the machine stops at each call that changes a file, with and without a loss of power. The log opens again,
 * no offset is assigned twice, and what was durable and is not removed is there.
 */
import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { replaceFile } from "../../storage/directory/atomic_file.ts";
import { Crash, CrashingFileSystem, type Survival } from "../../tests/crashing_file_system.ts";
import { readAll, recordsOf } from "../../tests/log_fixture.ts";
import { buildBatch, inMemory } from "../../tests/record_batch_builder.ts";
import { flushOn, LOG_DIRECTORY, smallLogs, TestShards, topicOn } from "../owned/partition_testing.ts";
import { emptyWatermarks } from "../shared/watermarks.ts";

const INITIAL_MS = 1000;
const HOUR_MS = 3_600_000;
const NOW = 1_700_000_000_000;
const RETENTION = { initialDelayMs: INITIAL_MS, checkMs: Infinity, isAnnounced: false };
const topic = topicOn([0], { config: { ...smallLogs, segmentBytes: 200, retentionMs: HOUR_MS, fileDeleteDelayMs: 0 } });

function append(world: TestShards, ageMs: number): number {
  const [partition] = world.at(0).partitions.owned.all;
  assert.ok(partition !== undefined);
  const batch = inMemory(buildBatch(recordsOf(1, 120, NOW - ageMs)), 64);
  const result = partition.append(batch, NOW);
  assert.equal(result.refusal, null, result.message);
  return result.baseOffset;
}

/** Runs turns, and what other threads do, until nothing is due. @param flushesLate whether flushes end last */
function turns(world: TestShards, flushesLate = false): void {
  const { partitions, flushes, files, loads, unlinked } = world.at(0);
  do {
    partitions.maintain(world.clock.monotonicMs());
    for (const { done } of loads.splice(0)) done();
    while (!flushesLate && flushes.length > 0) {
      for (const { request, done } of flushes.splice(0)) done(flushOn(files, request));
    }
    for (const path of unlinked.splice(0)) files.fileSystem.remove(path);
  } while (partitions.nextDeadlineMs <= world.clock.monotonicMs());
  if (flushesLate) turns(world);
}

/** What the main isolate may have written down, and what must hold after the crash. */
interface Life {
  files: CrashingFileSystem;
  recoveryPoint: number;
  logStart: number;
  /** What lies below may be gone: a log start above it was published. */
  removedBelow: number;
  /** Offset after the last acknowledged record. */
  end: number;
}

/** Five old records, of which all go, and two new ones. @param crashAt the call at which the machine stops */
function live(crashAt: number, random: () => number): Life {
  const files = new CrashingFileSystem(random);
  using world = new TestShards(1, [files], { retention: RETENTION });
  const life: Life = { files, recoveryPoint: 0, logStart: 0, removedBelow: 0, end: 0 };
  const writeDown = () => {
    const row = world.table.read(0, emptyWatermarks());
    life.removedBelow = row.logStartOffset;
    if (random() < 0.5) life.recoveryPoint = row.recoveryPoint;
    if (random() < 0.5) life.logStart = row.logStartOffset;
  };
  assert.deepEqual(world.apply(topic), []);
  for (let count = 0; count < 5; count++) life.end = append(world, 3 * HOUR_MS) + 1;
  if (random() < 0.5) turns(world);
  writeDown();
  files.crashAt = files.calls + crashAt;
  try {
    world.clock.advance(INITIAL_MS);
    turns(world, random() < 0.5);
    writeDown();
    for (let count = 0; count < 2; count++) life.end = append(world, 0) + 1;
    turns(world);
    writeDown();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    // It may be written down until the end.
    writeDown();
  }
  return life;
}

/** Restarts the machine. A file system may also keep the end of a name and lose the beginning of another, earlier one. */
function restart(files: CrashingFileSystem, survival: Survival, random: () => number): void {
  const paths = new Set(files.files().map(([path]) => path));
  files.restart(survival);
  for (const [path] of files.files()) if (!paths.has(path) && random() < 0.7) files.fileSystem.remove(path);
}

function reopen(life: Life, survival: Survival, { name, random }: { name: string; random: () => number }): void {
  const { files, recoveryPoint, logStart, removedBelow, end } = life;
  restart(files, survival, random);
  for (const [file, offset] of [["log-start", logStart], ["recovery-point", recoveryPoint]] as const) {
    replaceFile(files.fileSystem, `${LOG_DIRECTORY}/${file}-offset-checkpoint`, `0\n1\nt 0 ${offset}\n`);
  }
  using world = new TestShards(1, [files], { retention: RETENTION });
  assert.deepEqual(world.apply(topic), [], name);
  const [partition] = world.at(0).partitions.owned.all;
  assert.ok(partition !== undefined);
  const { log } = partition;
  assert.ok(log.logStartOffset >= logStart && log.logEndOffset >= recoveryPoint, name);
  if (survival === "all") assert.ok(log.logEndOffset >= end, `${name}: a kill loses nothing that was acknowledged`);
  // A loss of power may have taken what was not durable, in any order.
  const found = new Set(readAll(log, { fs: files.fileSystem, hasGaps: true }).map(({ baseOffset }) => baseOffset));
  const durableEnd = survival === "all" ? end : recoveryPoint;
  for (let offset = Math.max(log.logStartOffset, removedBelow); offset < durableEnd; offset++) {
    assert.ok(found.has(offset), `${name}: ${offset}`);
  }
  assert.equal(append(world, 0), log.logEndOffset - 1, name);
  assert.ok(log.logEndOffset > Math.max(recoveryPoint, logStart), `${name}: no offset is assigned twice`);
  world.clock.advance(INITIAL_MS);
  turns(world);
  assert.equal(log.segmentsBelowStart, 0, name);
}

Deno.test("a log whose records all go opens after a stop at any call, with or without a loss of power, and continues its offsets", () => {
  let [crashes, last] = [0, false];
  for (let crashAt = 1; !last; crashAt++) {
    for (const survival of ["all", "none", "random"] as const) {
      for (let seed = 0; seed < 2; seed++) {
        const random = createRandom(1000 * crashAt + seed);
        const life = live(crashAt, random);
        if (life.files.crashed) crashes++;
        else last = true;
        reopen(life, survival, { name: `call ${crashAt}, ${survival}, seed ${seed}`, random });
      }
    }
  }
  assert.ok(crashes > 150, `${crashes} crashes`);
});
