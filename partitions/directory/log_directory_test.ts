import assert from "node:assert/strict";
import { join } from "node:path";
import { linuxFileSystem, randomUuid, readMetaProperties, writePartitionMetadata } from "../../storage/control.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { LogDirectories } from "./log_directories.ts";
import { LogDirectory, LogDirectoryError, parsePartitionDirectory } from "./log_directory.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";

function open(path: string, options: { nodeId?: number; clusterId?: string | null } = {}): Promise<LogDirectory> {
  return LogDirectory.open({ path, nodeId: 1, clusterId: null, ...options });
}

async function refusal(path: string, options: { nodeId?: number } = {}): Promise<string> {
  let sentence = "";
  await assert.rejects(open(path, options), (error) => {
    assert.ok(error instanceof LogDirectoryError, String(error));
    sentence = error.message;
    return true;
  });
  return sentence;
}

async function names(path: string): Promise<string[]> {
  const found = [];
  for await (const { name } of Deno.readDir(path)) found.push(name);
  return found.sort();
}

Deno.test("open() creates a directory with its parents, gives it an identity, and keeps the identity later", () =>
  withDirectory(async (root) => {
    const path = join(root, "a/b");
    const first = await open(path, { clusterId: "a=b c:d" });
    assert.equal(first.path, path);
    assert.equal(first.clusterId, "a=b c:d");
    assert.equal(first.wasCleanShutdown, false);
    assert.deepEqual(first.found, []);
    await first[Symbol.asyncDispose]();
    await using second = await open(path, { clusterId: "another" });
    assert.deepEqual([second.clusterId, second.directoryId], ["a=b c:d", first.directoryId]);
    assert.deepEqual(await names(path), [".lock", "barnabas-retention", "meta.properties"]);
  }));

Deno.test("open() makes a random cluster id when none is given", () =>
  withDirectory(async (path) => {
    await using directory = await open(path);
    assert.match(directory.clusterId, /^[A-Za-z0-9_-]{22}$/);
  }));

Deno.test("open() takes the identity of a directory that Apache Kafka formatted, and adds a missing directory.id", () =>
  withDirectory(async (path) => {
    const kafka = "#\n#Sat Nov 21 08:00:00 UTC 2026\ncluster.id=5L6g3nShT-eMCtK--X86sw\nnode.id=3\nversion=1\n";
    await Deno.writeTextFile(join(path, "meta.properties"), kafka);
    assert.match(await refusal(path), /belongs to node\.id 3, but this broker has node\.id 1; .*--override node\.id=3/);
    await using directory = await open(path, { nodeId: 3 });
    assert.equal(directory.clusterId, "5L6g3nShT-eMCtK--X86sw");
    const written = readMetaProperties(linuxFileSystem, path);
    assert.ok(written !== null && typeof written !== "string");
    assert.equal(written.directoryId, directory.directoryId);
  }));

Deno.test("open() refuses a damaged meta.properties, and releases the lock", () =>
  withDirectory(async (path) => {
    const file = join(path, "meta.properties");
    await Deno.writeTextFile(file, "version=1\nnode.id=one\n");
    assert.match(await refusal(path), /Cannot read .*meta\.properties: .*; repair it/);
    await Deno.remove(file);
    await using _directory = await open(path);
  }));

Deno.test("open() refuses a file, a path below a file, and a place where nothing can be created", () =>
  withDirectory(async (root) => {
    const file = join(root, "file");
    await Deno.writeTextFile(file, "");
    assert.match(await refusal(file), /Cannot use log directory .*file: it is a file; choose another \(--data\)/);
    assert.match(await refusal(join(file, "below")), /it is a file|Not a directory/);
    assert.match(await refusal("/proc/barnabas"), /Cannot create log directory \/proc\/barnabas/);
  }));

Deno.test("open() reports a directory as not writable when its lock file cannot be created", () =>
  withDirectory(async (path) => {
    await Deno.mkdir(join(path, ".lock"));
    assert.match(await refusal(path), /is not writable \(.*\); check its permissions/);
  }));

Deno.test("open() refuses a directory that another broker of this process uses, and that broker keeps its lock", () =>
  withDirectory(async (root) => {
    const path = join(root, "data");
    await Deno.mkdir(path);
    await Deno.symlink(path, join(root, "link"));
    {
      await using _directory = await open(path);
      assert.match(await refusal(path), /used by another broker; stop that one, or choose another directory/);
      assert.match(await refusal(join(root, "link")), /used by another broker/);
      assert.equal(await lockFromAnotherProcess(path), "refused");
    }
    assert.equal(await lockFromAnotherProcess(path), "taken");
    await using _again = await open(path);
  }));

/** Tries to open the directory in a process of its own. */
async function lockFromAnotherProcess(path: string): Promise<string> {
  const script = `
    import { LogDirectory } from ${JSON.stringify(new URL("./log_directory.ts", import.meta.url).href)};
    try {
      await using _directory = await LogDirectory.open({ path: ${JSON.stringify(path)}, nodeId: 1, clusterId: null });
      console.log("taken");
    } catch (error) {
      console.log(/used by another broker/.test(error.message) ? "refused" : error.message);
    }`;
  const file = join(path, "..", "opener.ts");
  await Deno.writeTextFile(file, script);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-lock",
      "--no-check",
      "--config",
      new URL("../../deno.json", import.meta.url).pathname,
      file,
    ],
    stderr: "inherit",
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("markClean() lets the next start, and only that one, know of the clean stop", () =>
  withDirectory(async (path) => {
    const first = await open(path);
    first.markClean();
    await first[Symbol.asyncDispose]();
    assert.ok((await names(path)).includes(".kafka_cleanshutdown"));
    const second = await open(path);
    assert.equal(second.wasCleanShutdown, true);
    assert.ok(!(await names(path)).includes(".kafka_cleanshutdown"), "the mark is gone before anything is written");
    await second[Symbol.asyncDispose]();
    await using third = await open(path);
    assert.equal(third.wasCleanShutdown, false);
  }));

Deno.test("LogDirectories.cleanEpoch is the epoch that the marks of all directories name, for one start", () =>
  withDirectory(async (path) => {
    const logDirectories = ["a", "b"].map((name) => join(path, name));
    const openAll = () =>
      LogDirectories.open({
        logDirectories,
        metadataLogDirectory: join(path, "a"),
        nodeId: 1,
        clusterId: null,
        recoveryTrustsPageCache: false,
        report: assert.fail,
        isInCluster: true,
      });
    const epochs: number[] = [];
    for (const marks of [[57, 57], [57, 58], [57, undefined], [59]]) {
      const opened = await openAll();
      epochs.push(opened.cleanEpoch);
      for (const [index, epoch] of marks.entries()) opened.markClean(index, epoch);
      await opened[Symbol.asyncDispose]();
    }
    await using last = await openAll();
    assert.deepEqual([...epochs, last.cleanEpoch], [-1, 57, -1, -1, -1]);
  }));

Deno.test("open() finds the directories of partitions only, and removes those that deleted topics left", () =>
  withDirectory(async (path) => {
    const deleted = `gone-0.${"0123456789abcdef".repeat(2)}-delete`;
    const others = ["lost+found", "t-1-future", "t-2.0123-delete", "t-01", "t", "-3", "t-99999999999", "snapshots"];
    for (const name of ["t-0", "with-dash-7", deleted, ...others]) await Deno.mkdir(join(path, name));
    await Deno.writeTextFile(join(path, "file-0"), "");
    await Deno.writeTextFile(join(path, deleted, "00000000000000000000.log"), "records");
    const directory = await open(path);
    const found = directory.found.map(({ topic, partition }) => `${topic} ${partition}`).sort();
    assert.deepEqual(found, ["t 0", "with-dash 7"]);
    await directory[Symbol.asyncDispose]();
    const left = await names(path);
    assert.ok(!left.includes(deleted));
    for (const name of others) assert.ok(left.includes(name), `${name} is not ours to remove`);
  }));

Deno.test("parsePartitionDirectory() splits a name at its last dash and accepts one spelling of each number", () => {
  assert.deepEqual(parsePartitionDirectory("a-b-12"), { topic: "a-b", partition: 12 });
  assert.deepEqual(parsePartitionDirectory("a-2147483647"), { topic: "a", partition: 2147483647 });
  for (const name of ["a-2147483648", "a-012", "a--1x", "a", "a-", "-1", "a-1.0", "a-１"]) {
    assert.equal(parsePartitionDirectory(name), null, name);
  }
});

Deno.test("identify() reads topic id and latest leader epoch, and describes damage", () =>
  withDirectory(async (path) => {
    await using directory = await open(path);
    const identify = () => directory.identify({ topic: "t", partition: 0 });
    const partition = join(path, "t-0");
    assert.deepEqual(await identify(), { topicId: null, latestLeaderEpoch: -1 });
    await Deno.mkdir(partition);
    writePartitionMetadata(linuxFileSystem, partition, ID);
    await Deno.writeTextFile(join(partition, "leader-epoch-checkpoint"), "0\n2\n3 0\n9 120\n");
    assert.deepEqual(await identify(), { topicId: ID, latestLeaderEpoch: 9 });
    await Deno.writeTextFile(join(partition, "leader-epoch-checkpoint"), "0\n3\n3 0\n9 120\n");
    assert.equal(await identify(), "leader-epoch-checkpoint is damaged");
    await Deno.writeTextFile(join(partition, "partition.metadata"), "topic_id: ?");
    assert.match(
      String(await identify()),
      /partition\.metadata holds no topic id\. Restore it; or, .* remove the file/,
    );
  }));

Deno.test("remove() renames a partition's directory at once, whatever the length of its name, and frees its bytes", () =>
  withDirectory(async (path) => {
    const topic = "x".repeat(249);
    const directory = await open(path);
    await Deno.mkdir(join(path, `${topic}-0`, "deep"), { recursive: true });
    await directory.remove({ topic, partition: 0 });
    assert.ok(!(await names(path)).includes(`${topic}-0`));
    await directory.remove({ topic, partition: 0 });
    await directory.remove({ topic: randomUuid(), partition: 5 });
    await directory.sync();
    await directory[Symbol.asyncDispose]();
    assert.deepEqual(await names(path), [".lock", "barnabas-retention", "meta.properties"]);
  }));

Deno.test("forgetOffsets() removes the lines of partitions from all checkpoints, and keeps the others", () =>
  withDirectory(async (path) => {
    const files = ["recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"];
    for (const name of files) await Deno.writeTextFile(join(path, name), "0\n3\nt 0 5\nt 1 6\ntt 0 7\n");
    await using directory = await open(path);
    await directory.forgetOffsets(new Set(["t 0", "u 0"]));
    for (const name of files) assert.equal(await Deno.readTextFile(join(path, name)), "0\n2\nt 1 6\ntt 0 7\n", name);
  }));
