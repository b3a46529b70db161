import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { append, logOptions, testConfig } from "../../tests/log_fixture.ts";
import { createRandom } from "../base/random.ts";
import { Log } from "./log.ts";
import { readPartitionMetadata } from "../directory/partition_metadata.ts";
import { Unflushed } from "./unflushed.ts";

const DIRECTORY = "/logs/t-0";
const TOPIC_ID = "zquKKtglnpoYNVDtWJ6LTw";

function openNew(files: CrashingFileSystem): Log {
  const config = { ...testConfig, segmentBytes: 64 * 1024, segmentIndexBytes: 16 * 1024 };
  const log = Log.open(logOptions(DIRECTORY, { fs: files.fileSystem, config, topicId: TOPIC_ID }));
  assert(log.becomeLeader(log.latestLeaderEpoch + 1));
  return log;
}

Deno.test("a new log is created without a flush, and its first flush makes all of it durable", () => {
  const files = new CrashingFileSystem(() => 0.5);
  let flushes = 0;
  const { fdatasync, syncDirectory } = files.fileSystem;
  Object.assign(files.fileSystem, {
    fdatasync: (fd: number) => (flushes++, fdatasync(fd)),
    syncDirectory: (path: string) => (flushes++, syncDirectory(path)),
  });
  const log = openNew(files);
  append(log, [{ value: "first" }]);
  assert.equal(flushes, 0);
  const opened = files.openCount;
  assert(log.flush());
  assert.equal(files.openCount, opened, "small files are closed again");
  files.restart("none");
  assert.equal(readPartitionMetadata(files.fileSystem, DIRECTORY), TOPIC_ID);
  const epochs = files.fileSystem.readFile(`${DIRECTORY}/leader-epoch-checkpoint`);
  assert.equal(new TextDecoder().decode(epochs ?? undefined), "0\n1\n0 0\n");
  const again = openNew(files);
  assert.equal(again.logEndOffset, 1);
  assert.deepEqual(again.endOffsetForEpoch(0), { epoch: 0, endOffset: 1 });
  assert.equal(again.epochFor(again.logStartOffset), 0);
});

Deno.test("each of two overlapping flushes of a new log makes everything durable that its records need", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const log = openNew(files);
  append(log, [{ value: "first" }]);
  const slow = log.beginFlush();
  assert(slow !== null && log.flush(), "a flush on the shard ends before the one on another thread");
  files.restart("none");
  assert.equal(log.recoveryPoint, 1);
  const again = openNew(files);
  assert.deepEqual([again.logEndOffset, again.epochFor(again.logStartOffset)], [1, 0]);
});

Deno.test("after a loss of power at any point a new log opens again and has everything that was flushed", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed);
    const files = new CrashingFileSystem(random);
    files.crashAt = 1 + Math.floor(random() * 40);
    let flushed = 0;
    try {
      const log = openNew(files);
      for (let count = 1; count <= 6; count++) {
        append(log, [{ value: `record ${count}` }]);
        if (count % 2 === 0 && log.flush()) flushed = count;
      }
    } catch (error) {
      assert(files.crashed, `seed ${seed}: ${error}`);
    }
    files.restart("random");
    const log = openNew(files);
    assert(log.logEndOffset >= flushed, `seed ${seed}: ${log.logEndOffset} of ${flushed}`);
    if (flushed > 0) assert.equal(log.epochFor(log.logStartOffset), 0, `seed ${seed}`);
    assert.equal(readPartitionMetadata(files.fileSystem, DIRECTORY), TOPIC_ID, `seed ${seed}`);
  }
});

Deno.test("Unflushed.openForFlush() keeps no file open when one cannot be opened, skips a missing one, and all names stay until markDurable()", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { fileSystem } = files;
  fileSystem.close(fileSystem.open("/a", { write: true, create: true }));
  const unflushed = new Unflushed();
  for (const path of ["/a", "/gone"]) unflushed.addFile(path);
  unflushed.addDirectory("/d");
  const refusing = {
    ...fileSystem,
    open: () => {
      throw new Error("no descriptor");
    },
  };
  assert.throws(() => unflushed.openForFlush(refusing), /no descriptor/);
  assert.equal(unflushed.isEmpty, false);
  const first = unflushed.openForFlush(fileSystem);
  assert.deepEqual([first.directories, first.smallFds.length, unflushed.isEmpty], [["/d"], 1, false]);
  unflushed.addDirectory("/d");
  unflushed.markDurable(first.changesUpTo);
  const second = unflushed.openForFlush(fileSystem);
  assert.deepEqual([second.directories, second.smallFds.length, unflushed.isEmpty], [["/d"], 0, false]);
  unflushed.markDurable(second.changesUpTo);
  assert.equal(unflushed.isEmpty, true);
});
