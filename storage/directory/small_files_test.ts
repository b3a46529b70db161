/** Tests partition.metadata, meta.properties and .kafka_cleanshutdown against the files of Apache Kafka 4.3.1 in tests/golden. */
import { strict as assert } from "node:assert";
import { Crash, CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { readText } from "./atomic_file.ts";
import { readCleanShutdown, removeCleanShutdown, writeCleanShutdown } from "./clean_shutdown.ts";
import { readMetaProperties, writeMetaProperties } from "./meta_properties.ts";
import { readPartitionMetadata, writePartitionMetadata } from "./partition_metadata.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";

const golden = new URL("../../tests/golden/", import.meta.url).pathname;
const goldenRoot = `${golden}storage`;
const goldenPartition = `${golden}kafka_partition`;
const topicId = "haeFy9DXTaehpU3qp_bycA";

const emptyDisk = () => new CrashingFileSystem(Math.random).fileSystem;

/** A file system on which every file has this content. */
function holding(content: string | Uint8Array): FileSystem {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { ...linuxFileSystem, readFile: () => bytes };
}

function flippedBits(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    return flipped;
  });
}

Deno.test("writePartitionMetadata() writes Kafka's bytes, and readPartitionMetadata() reads them", () => {
  assert.equal(readPartitionMetadata(linuxFileSystem, goldenPartition), topicId);
  const fs = emptyDisk();
  assert.equal(readPartitionMetadata(fs, "/p"), null);
  writePartitionMetadata(fs, "/p", topicId);
  assert.equal(readText(fs, "/p/partition.metadata"), Deno.readTextFileSync(`${goldenPartition}/partition.metadata`));
});

Deno.test("readPartitionMetadata() accepts later versions and line ends of other systems, as Kafka does", () => {
  for (const text of [`version: 3\ntopic_id: ${topicId}\nmore: 1`, `version: 0\r\ntopic_id: ${topicId}\r\n`]) {
    assert.equal(readPartitionMetadata(holding(text), "/p"), topicId);
  }
});

Deno.test("readPartitionMetadata() treats a file that a loss of power cut off as missing, because it was not flushed yet", () => {
  const text = `version: 0\ntopic_id: ${topicId}`;
  for (let length = 0; length < text.length; length++) {
    for (const zeros of [0, 1, text.length - length]) {
      const torn = text.slice(0, length) + "\0".repeat(zeros);
      assert.equal(readPartitionMetadata(holding(torn), "/p"), null, torn);
    }
  }
});

Deno.test("readPartitionMetadata() refuses damage with LogDamagedError", () => {
  const text = `version: 0\ntopic_id: ${topicId}`;
  const zero = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA";
  for (
    const damaged of [
      zero,
      `version: -1\ntopic_id: ${topicId}`,
      `topic_id: ${topicId}`,
      `version: 0\ntopic_id:${topicId}`,
    ]
  ) {
    assert.throws(() => readPartitionMetadata(holding(damaged), "/p"), LogDamagedError, damaged);
  }
  for (const flipped of flippedBits(new TextEncoder().encode(text))) {
    try {
      readPartitionMetadata(holding(flipped), "/p");
    } catch (error) {
      assert.ok(error instanceof LogDamagedError);
    }
  }
});

Deno.test("readMetaProperties() reads Kafka's file", () => {
  assert.deepEqual(readMetaProperties(linuxFileSystem, goldenRoot), {
    clusterId: "C7zCydogQkyS2paWwQf9Og",
    nodeId: 1,
    directoryId: "zquKKtglnpoYNVDtWJ6LTw",
  });
});

Deno.test("readMetaProperties() reads what writeMetaProperties() wrote, with unusual cluster ids too", () => {
  for (const clusterId of ["C7zCydogQkyS2paWwQf9Og", "my:cluster=1 #x", " a\\b!", "tab\tnew\nline\r\f", "ünï"]) {
    for (const directoryId of ["zquKKtglnpoYNVDtWJ6LTw", null]) {
      const fs = emptyDisk();
      assert.equal(readMetaProperties(fs, "/d"), null);
      writeMetaProperties(fs, "/d", { clusterId, nodeId: 7, directoryId });
      assert.deepEqual(readMetaProperties(fs, "/d"), { clusterId, nodeId: 7, directoryId });
    }
  }
});

Deno.test("readMetaProperties() reads every form of a Java properties line", () => {
  const text =
    " # comment\n!another=1\r\n\r  version : 1\ncluster.id\\u003d=x\ncluster.id  abc\\u0041\\:\\ d\nnode.id=12\n";
  assert.deepEqual(readMetaProperties(holding(text), "/d"), { clusterId: "abcA: d", nodeId: 12, directoryId: null });
});

Deno.test("readMetaProperties() refuses other versions and missing or damaged values with a sentence", () => {
  const lines = ["version=1", "cluster.id=c", "node.id=1", "directory.id=zquKKtglnpoYNVDtWJ6LTw"];
  const withLine = (line: string) =>
    [...lines.filter((other) => other.split("=")[0] !== line.split("=")[0]), line].join("\n");
  assert.ok(typeof readMetaProperties(holding(lines.join("\n")), "/d") !== "string");
  for (
    const line of ["version=0", "version=2", "version=", "cluster.id=", "node.id=-1", "node.id=x", "node.id=2147483648"]
  ) {
    assert.equal(typeof readMetaProperties(holding(withLine(line)), "/d"), "string", line);
  }
  for (const line of ["directory.id=", "directory.id=short", "directory.id=AAAAAAAAAAAAAAAAAAAAAA"]) {
    assert.equal(typeof readMetaProperties(holding(withLine(line)), "/d"), "string", line);
  }
  for (const missing of lines.slice(0, 3)) {
    const text = lines.filter((line) => line !== missing).join("\n");
    assert.equal(typeof readMetaProperties(holding(text), "/d"), "string", `without ${missing}`);
  }
  for (const text of ["", "\n", "=\n", "\\", "version=0\nbroker.id=1\ncluster.id=c\n"]) {
    assert.equal(typeof readMetaProperties(holding(text), "/d"), "string", JSON.stringify(text));
  }
});

Deno.test("readMetaProperties() never throws on truncations and flipped bits", () => {
  const bytes = Deno.readFileSync(`${goldenRoot}/meta.properties`);
  for (let length = 0; length < bytes.length; length++) readMetaProperties(holding(bytes.subarray(0, length)), "/d");
  for (const flipped of flippedBits(bytes)) readMetaProperties(holding(flipped), "/d");
});

Deno.test("writeCleanShutdown() writes Kafka's bytes, readCleanShutdown() reads them, removeCleanShutdown() removes them", () => {
  assert.deepEqual(readCleanShutdown(linuxFileSystem, goldenRoot), { brokerEpoch: 11 });
  const fs = emptyDisk();
  assert.equal(readCleanShutdown(fs, "/d"), null);
  removeCleanShutdown(fs, "/d");
  writeCleanShutdown(fs, "/d", 11);
  assert.equal(readText(fs, "/d/.kafka_cleanshutdown"), Deno.readTextFileSync(`${goldenRoot}/.kafka_cleanshutdown`));
  removeCleanShutdown(fs, "/d");
  assert.equal(readCleanShutdown(fs, "/d"), null);
});

Deno.test("readCleanShutdown() treats the file's presence as a clean stop, whatever its content", () => {
  for (const text of ["", "{}", '{"version":0}', "garbage", '{"brokerEpoch":99999999999999999999}']) {
    assert.deepEqual(readCleanShutdown(holding(text), "/d"), { brokerEpoch: -1 }, text);
  }
  assert.deepEqual(readCleanShutdown(holding('{"brokerEpoch" : 5, "version":0}'), "/d"), { brokerEpoch: 5 });
});

Deno.test("removeCleanShutdown() is durable when it returns: the mark does not return after a loss of power", () => {
  for (let crashAt = 1; crashAt <= 3; crashAt++) {
    const disk = new CrashingFileSystem(() => 0.4);
    writeCleanShutdown(disk.fileSystem, "/d", 1);
    disk.calls = 0;
    disk.crashAt = crashAt;
    let returned = false;
    try {
      removeCleanShutdown(disk.fileSystem, "/d");
      returned = true;
    } catch (error) {
      assert.ok(error instanceof Crash);
    }
    disk.restart("none");
    const mark = readCleanShutdown(disk.fileSystem, "/d");
    assert.equal(mark === null, returned, `crash at call ${crashAt}`);
  }
});
