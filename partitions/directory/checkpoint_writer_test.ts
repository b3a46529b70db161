import assert from "node:assert/strict";
import { join } from "node:path";
import { linuxFileSystem, readOffsetCheckpoint } from "../../storage/mod.ts";
import type { PartitionOffset } from "./checkpoint_file.ts";
import { type CheckpointKind, Checkpoints, type Timers } from "./checkpoint_writer.ts";

/** Timers that fire when the test says so. */
class ManualTimers implements Timers {
  readonly running = new Map<number, () => void>();

  every(ms: number, callback: () => void): () => void {
    this.running.set(ms, callback);
    return () => void this.running.delete(ms);
  }
}

interface Setup {
  readonly directory: string;
  readonly timers: ManualTimers;
  readonly checkpoints: Checkpoints;
  readonly reports: string[];
  readonly failed: string[];
  readonly offsets: { recovery: PartitionOffset[]; start: PartitionOffset[]; committed: PartitionOffset[] };
}

async function withCheckpoints(
  test: (setup: Setup) => Promise<void>,
  others?: readonly CheckpointKind[],
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "barnabas-checkpoints-" });
  const timers = new ManualTimers();
  const reports: string[] = [];
  const failed: string[] = [];
  const offsets: Setup["offsets"] = { recovery: [], start: [], committed: [] };
  const checkpoints = new Checkpoints({
    directories: [{ path: directory, isOnline: true }],
    config: {
      logFlushOffsetCheckpointIntervalMs: 60_000,
      logFlushStartOffsetCheckpointIntervalMs: 60_001,
      replicaHighWatermarkCheckpointIntervalMs: 5000,
    },
    recoveryPoints: () => offsets.recovery,
    logStartOffsets: () => offsets.start,
    highWatermarks: () => offsets.committed,
    others,
    report: (sentence) => reports.push(sentence),
    onDirectoryFailed: (directory, { message }) => failed.push(`${directory}: ${message}`),
    timers,
  });
  try {
    await test({ directory, timers, checkpoints, reports, failed, offsets });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function read(directory: string, name: string): Map<string, number> {
  const found = readOffsetCheckpoint(linuxFileSystem, join(directory, name));
  assert.ok(typeof found !== "string", String(found));
  return found;
}

Deno.test("Checkpoints writes each file in Kafka's format, at its own interval and at the stop", () =>
  withCheckpoints(async ({ directory, timers, checkpoints, offsets }) => {
    offsets.committed = [{ topic: "a.b", partition: 0, offset: 42 }, { topic: "c", partition: 11, offset: 2 ** 40 }];
    timers.running.get(5000)?.();
    offsets.recovery = [{ topic: "a.b", partition: 0, offset: 40 }];
    await checkpoints.stop();
    const text = await Deno.readTextFile(join(directory, "replication-offset-checkpoint"));
    assert.equal(text, "0\n2\na.b 0 42\nc 11 1099511627776\n");
    assert.deepEqual(read(directory, "recovery-point-offset-checkpoint"), new Map([["a.b 0", 40]]));
    assert.deepEqual(read(directory, "log-start-offset-checkpoint"), new Map());
    assert.equal(timers.running.size, 0, "no timer outlives the stop");
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    assert.equal(names.length, 3, "no temporary file is left");
  }));

Deno.test("Checkpoints writes the latest offsets last, however many writes were asked for at once", () =>
  withCheckpoints(async ({ directory, timers, checkpoints, offsets }) => {
    for (let offset = 0; offset < 50; offset++) {
      offsets.committed = [{ topic: "t", partition: 0, offset }];
      timers.running.get(5000)?.();
    }
    await checkpoints.stop();
    assert.deepEqual(read(directory, "replication-offset-checkpoint"), new Map([["t 0", 49]]));
  }));

Deno.test("Checkpoints does not write a file whose content has not changed", () =>
  withCheckpoints(async ({ directory, checkpoints, offsets }) => {
    offsets.start = [{ topic: "t", partition: 0, offset: 1 }];
    await checkpoints.writeAll();
    const path = join(directory, "log-start-offset-checkpoint");
    const before = (await Deno.stat(path)).ino;
    await checkpoints.writeAll();
    assert.equal((await Deno.stat(path)).ino, before);
    offsets.start = [{ topic: "t", partition: 0, offset: 2 }];
    await checkpoints.stop();
    assert.notEqual((await Deno.stat(path)).ino, before);
  }));

Deno.test("Checkpoints reports a file that it cannot write, keeps the old one, and tries again", () =>
  withCheckpoints(async ({ directory, timers, checkpoints, reports, offsets }) => {
    offsets.committed = [{ topic: "t", partition: 0, offset: 1 }];
    await checkpoints.writeAll();
    const obstacle = join(directory, "replication-offset-checkpoint.tmp");
    await Deno.mkdir(obstacle);
    offsets.committed = [{ topic: "t", partition: 0, offset: 2 }];
    timers.running.get(5000)?.();
    await assert.rejects(checkpoints.writeAll(), /Cannot write checkpoint .*replication-offset-checkpoint: /);
    assert.equal(reports.length, 1);
    assert.match(reports[0] ?? "", /^Cannot write checkpoint /);
    assert.deepEqual(read(directory, "replication-offset-checkpoint"), new Map([["t 0", 1]]));
    await Deno.remove(obstacle);
    await checkpoints.stop();
    assert.deepEqual(read(directory, "replication-offset-checkpoint"), new Map([["t 0", 2]]));
  }));

Deno.test("Checkpoints says once that a directory is gone, and writes nothing to it any more", () =>
  withCheckpoints(async ({ directory, timers, checkpoints, reports, failed, offsets }) => {
    await Deno.remove(directory, { recursive: true });
    for (const offset of [1, 2]) {
      offsets.committed = offsets.recovery = [{ topic: "t", partition: 0, offset }];
      for (const intervalMs of [5000, 60_000]) timers.running.get(intervalMs)?.();
      while (failed.length === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    assert.deepEqual([reports, failed.length], [[], 1]);
    assert.match(failed[0] ?? "", /^0: Cannot write checkpoint .*: No such file/);
    await checkpoints.stop();
    await Deno.mkdir(directory);
  }));

Deno.test("Checkpoints.writeLogStarts() settles when the offsets at its call are in the file, also with concurrent calls", () =>
  withCheckpoints(async ({ directory, checkpoints, offsets }) => {
    const calls = Array.from({ length: 20 }, async (_, offset) => {
      offsets.start = [{ topic: "t", partition: 0, offset: offset + 1 }];
      await checkpoints.writeLogStarts();
      assert.ok((read(directory, "log-start-offset-checkpoint").get("t 0") ?? 0) > offset);
    });
    await Promise.all(calls);
    assert.deepEqual(read(directory, "log-start-offset-checkpoint"), new Map([["t 0", 20]]));
    await checkpoints.stop();
  }));

Deno.test("Checkpoints.writeLogStarts() names the file that the disk refused, and a later call tries again", () =>
  withCheckpoints(async ({ directory, checkpoints, offsets }) => {
    const obstacle = join(directory, "log-start-offset-checkpoint.tmp");
    await Deno.mkdir(obstacle);
    offsets.start = [{ topic: "t", partition: 0, offset: 7 }];
    await assert.rejects(checkpoints.writeLogStarts(), /Cannot write checkpoint .*log-start-offset-checkpoint: /);
    await Deno.remove(obstacle);
    await checkpoints.writeLogStarts();
    assert.deepEqual(read(directory, "log-start-offset-checkpoint"), new Map([["t 0", 7]]));
    await checkpoints.stop();
  }));

Deno.test("Checkpoints writes a further file at its own interval and at the stop", () => {
  let text = "1";
  const other = { name: "other", intervalMs: 10_000, content: (directory: number) => `${directory}: ${text}` };
  return withCheckpoints(async ({ directory, timers, checkpoints }) => {
    const path = join(directory, "other");
    timers.running.get(10_000)?.();
    await checkpoints.writeAll();
    assert.equal(await Deno.readTextFile(path), "0: 1");
    text = "2";
    timers.running.get(60_000)?.();
    await checkpoints.writeLogStarts();
    assert.equal(await Deno.readTextFile(path), "0: 1");
    assert.deepEqual(await checkpoints.stop(), new Map());
    assert.equal(await Deno.readTextFile(path), "0: 2");
    assert.equal(timers.running.size, 0);
  }, [other]);
});
