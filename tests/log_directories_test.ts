/**
 * A broker with several log directories: partitions are spread over them, one that fails takes only its own partitions offline, and
 * everything is back when it is.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { type Broker, startBroker, StartupError } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { metadataRequest, metadataResponse } from "../net/protocol/messages/03_metadata.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../net/protocol/messages/21_delete_records.ts";
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from "../net/protocol/messages/34_alter_replica_log_dirs.ts";
import { describeLogDirsRequest, describeLogDirsResponse } from "../net/protocol/messages/35_describe_log_dirs.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";
import { append, create, EARLIEST, LATEST, listOffset } from "./topic_requests.ts";

const PARTITIONS = 6;

function start(root: string, names: readonly string[], overrides: Record<string, string> = {}): Promise<Broker> {
  const directories = names.map((name) => join(root, name)).join(",");
  return startBroker({
    ...{ port: 0, shards: 2 },
    overrides: { "log.dirs": directories, "replica.high.watermark.checkpoint.interval.ms": "50", ...overrides },
    topics: [{ name: "t", partitions: PARTITIONS }],
  });
}

/** Appends a record. @returns the error code */
async function produce(client: KafkaClient, partition: number): Promise<number> {
  return (await append(client, "t", partition))[0];
}

async function endOffset(client: KafkaClient, partition: number): Promise<number> {
  return (await listOffset(client, ["t", partition], LATEST))[1];
}

async function startOffset(client: KafkaClient, partition: number): Promise<number> {
  return (await listOffset(client, ["t", partition], EARLIEST))[1];
}

/** What DescribeLogDirs says: the partitions of each directory, or its error. */
async function described(client: KafkaClient, root: string): Promise<Record<string, number[] | number>> {
  const of = { apiVersion: 4, value: { topics: null } };
  const { results } = await client.call(describeLogDirsRequest, describeLogDirsResponse, of);
  return Object.fromEntries(results.map(({ errorCode: code, logDir, topics }) => {
    const partitions = topics.filter(({ name }) => name === "t").flatMap(({ partitions }) => [...partitions])
      .filter(({ isFutureKey }) => !isFutureKey);
    return [logDir.slice(root.length + 1), code === 0 ? partitions.map(({ partitionIndex }) => partitionIndex) : code];
  }));
}

/** The leader of each partition; none for one that is offline. */
async function leaders(client: KafkaClient): Promise<number[]> {
  const of = { apiVersion: 9, value: { topics: [{ name: "t" }], allowAutoTopicCreation: false } };
  const { topics } = await client.call(metadataRequest, metadataResponse, of);
  return topics[0]!.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex).map(({ leaderId }) => leaderId);
}

function partitionsIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name).toSorted();
}

/** Partitions of the topic in each directory, as they are created. */
const SPREAD = { a: [0, 2, 4], b: [1, 3, 5] };
const { KAFKA_STORAGE_ERROR, NONE } = errorCode;

Deno.test("partitions are spread over the log directories, and found there again", () =>
  withDirectory(async (root) => {
    for (const round of [1, 2]) {
      await using broker = await start(root, ["a", "b"]);
      assert.equal(broker.dataDir, `${join(root, "a")}, ${join(root, "b")}`);
      using client = await KafkaClient.connect(broker);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        assert.equal(await produce(client, partition), NONE);
        assert.equal(await endOffset(client, partition), round);
      }
      assert.deepEqual(await described(client, root), SPREAD);
      assert.deepEqual(partitionsIn(join(root, "b")), ["t-1", "t-3", "t-5"]);
      await broker.close();
      for (const name of ["a", "b"]) {
        assert(Deno.statSync(join(root, name, ".kafka_cleanshutdown")).isFile, `${name} was closed cleanly`);
        const points = Deno.readTextFileSync(join(root, name, "recovery-point-offset-checkpoint"));
        assert.match(points, name === "a" ? /^0\n3\nt 0 \d\nt 2 \d\nt 4 \d\n$/ : /^0\n3\nt 1 \d\nt 3 \d\nt 5 \d\n$/);
      }
    }
  }));

Deno.test("a log directory that cannot be used at the start takes only its partitions offline, until it can be", () =>
  withDirectory(async (root) => {
    const [b, away] = [join(root, "b"), join(root, "away")];
    {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      for (let partition = 0; partition < PARTITIONS; partition++) await produce(client, partition);
    }
    Deno.renameSync(b, away);
    Deno.writeTextFileSync(b, "this is no directory");
    {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      const codes: number[] = [];
      for (let partition = 0; partition < PARTITIONS; partition++) codes.push(await produce(client, partition));
      const offline = [1, 3, 5].includes.bind([1, 3, 5]);
      assert.deepEqual(codes, codes.map((_, partition) => offline(partition) ? KAFKA_STORAGE_ERROR : NONE));
      assert.deepEqual(await leaders(client), codes.map((_, partition) => offline(partition) ? -1 : 1));
      assert.deepEqual(await described(client, root), { a: [0, 2, 4], b: KAFKA_STORAGE_ERROR });
      await create(client, "new");
      assert(partitionsIn(join(root, "a")).includes("new-0"));
    }
    Deno.removeSync(b);
    Deno.renameSync(away, b);
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    const ends: number[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) ends.push(await endOffset(client, partition));
    assert.deepEqual(ends, [2, 1, 2, 1, 2, 1]);
    assert.deepEqual(await described(client, root), SPREAD);
  }));

Deno.test("a topic that is deleted while a log directory is not in log.dirs stays deleted when the directory returns", () =>
  withDirectory(async (root) => {
    const ofTopic = (directory: string) =>
      partitionsIn(join(root, directory)).filter((name) => /^u[12]-\d$/.test(name));
    {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      for (const name of ["u1", "u2"]) {
        await create(client, name, 2);
        for (const partition of [0, 1]) assert.equal((await append(client, name, partition))[0], NONE);
      }
    }
    assert.deepEqual([ofTopic("a"), ofTopic("b")], [["u1-0", "u2-0"], ["u1-1", "u2-1"]]);
    {
      await using broker = await start(root, ["a"]);
      using client = await KafkaClient.connect(broker);
      const value = { topics: [], topicNames: ["u1", "u2"], timeoutMs: 5000 };
      const { responses } = await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 5, value });
      assert.deepEqual(responses.map(({ errorCode: code }) => code), [NONE, NONE]);
      await create(client, "u2", 2);
      for (let count = 0; count < 3; count++) assert.equal((await append(client, "u2", 1))[0], NONE);
    }
    for (let starts = 0; starts < 2; starts++) {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      assert.equal((await listOffset(client, ["u1", 1], LATEST))[0], errorCode.UNKNOWN_TOPIC_OR_PARTITION);
      assert.deepEqual(await listOffset(client, ["u2", 1], LATEST), [NONE, 3], "the topic that has its name now");
      assert.deepEqual([ofTopic("a"), ofTopic("b")], [["u2-0", "u2-1"], []]);
    }
  }));

Deno.test("a log directory that disappears under the broker goes offline alone", () =>
  withDirectory(async (root) => {
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    for (let partition = 0; partition < PARTITIONS; partition++) assert.equal(await produce(client, partition), NONE);
    Deno.renameSync(join(root, "b"), join(root, "gone"));
    for (const partition of [1, 3, 5]) while (await produce(client, partition) === NONE);
    assert.deepEqual(await leaders(client), [1, -1, 1, -1, 1, -1]);
    for (
      const [partition, code] of [[0, NONE], [1, KAFKA_STORAGE_ERROR], [4, NONE], [5, KAFKA_STORAGE_ERROR]] as const
    ) {
      assert.equal(await produce(client, partition), code);
    }
    assert.deepEqual(await described(client, root), { a: [0, 2, 4], b: KAFKA_STORAGE_ERROR });
    await create(client, "new");
    assert(partitionsIn(join(root, "a")).includes("new-0"));
  }));

Deno.test("the broker stops with a sentence when the directory of its topics and settings disappears", () =>
  withDirectory(async (root) => {
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    Deno.renameSync(join(root, "a"), join(root, "gone"));
    await produce(client, 0);
    await assert.rejects(broker.closed, /Log directory .*\/a failed, and the broker cannot go on without it/);
    await broker.close().catch(() => {});
  }));

Deno.test("startBroker() refuses log directories of several clusters, and a metadata.log.dir that cannot be used", () =>
  withDirectory(async (root) => {
    for (const name of ["a", "b"]) await (await start(root, [name])).close();
    const sentence = /belongs to cluster .*, the others to .*: a broker serves one cluster; take it out of log\.dirs/;
    await assert.rejects(
      start(root, ["a", "b"]),
      (error) => error instanceof StartupError && sentence.test(error.message),
    );
    Deno.writeTextFileSync(join(root, "file"), "");
    const metadata = { "metadata.log.dir": join(root, "file/metadata") };
    await assert.rejects(
      start(root, ["a"], metadata),
      /Cannot use .*file\/metadata, where the topics and settings lie/,
    );
    await using broker = await start(root, ["c", "d"], { "metadata.log.dir": join(root, "metadata") });
    assert.deepEqual(
      [...Deno.readDirSync(join(root, "metadata"))].map(({ name }) => name).toSorted()[0],
      "barnabas-metadata.sqlite",
    );
    assert(![...Deno.readDirSync(join(root, "c"))].some(({ name }) => name.includes("sqlite")));
    await broker.close();
  }));

async function move(client: KafkaClient, partition: number, path: string): Promise<number> {
  const value = { dirs: [{ path, topics: [{ name: "t", partitions: [partition] }] }] };
  const of = { apiVersion: 2, value };
  const { results } = await client.call(alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, of);
  return results[0]!.partitions[0]!.errorCode;
}

/** Waits until a directory has exactly these partitions of the topic. */
async function until(client: KafkaClient, root: string, expected: Record<string, number[]>): Promise<void> {
  for (let tries = 0;; tries++) {
    const found = await described(client, root);
    for (const partitions of Object.values(found)) if (typeof partitions !== "number") partitions.sort();
    if (JSON.stringify(found) === JSON.stringify(expected)) return;
    assert(tries < 2000, `still ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("AlterReplicaLogDirs moves a partition that is written to, with every record, its log start and its place after a restart", () =>
  withDirectory(async (root) => {
    const [a, b] = [join(root, "a"), join(root, "b")];
    let acknowledged = 0;
    {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      using mover = await KafkaClient.connect(broker);
      for (let i = 0; i < 50; i++) if (await produce(client, 0) === NONE) acknowledged++;
      const deletion = { topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 7 }] }], timeoutMs: 1000 };
      await client.call(deleteRecordsRequest, deleteRecordsResponse, { apiVersion: 2, value: deletion });
      assert.equal(await move(mover, 0, b), NONE);
      const moved = until(mover, root, { a: [2, 4], b: [0, 1, 3, 5] });
      let isMoved = false;
      moved.finally(() => isMoved = true);
      while (!isMoved) {
        const code = await produce(client, 0);
        assert([NONE, errorCode.NOT_LEADER_OR_FOLLOWER].includes(code as never), `code ${code}`);
        if (code === NONE) acknowledged++;
      }
      await moved;
      for (let i = 0; i < 5; i++) if (await produce(client, 0) === NONE) acknowledged++;
      assert.equal(await endOffset(client, 0), acknowledged);
      assert.deepEqual(partitionsIn(a).filter((name) => name.startsWith("t-0")), []);
      assert.deepEqual(partitionsIn(b).filter((name) => name.startsWith("t-0")), ["t-0"]);
    }
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    assert.deepEqual([await endOffset(client, 0), await startOffset(client, 0)], [acknowledged, 7]);
    await until(client, root, { a: [2, 4], b: [0, 1, 3, 5] });
    assert.equal(await move(client, 0, a), NONE);
    await until(client, root, { a: [0, 2, 4], b: [1, 3, 5] });
    assert.deepEqual([await endOffset(client, 0), await startOffset(client, 0)], [acknowledged, 7]);
  }));

Deno.test("AlterReplicaLogDirs refuses what it cannot move, with Kafka's codes", () =>
  withDirectory(async (root) => {
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    assert.equal(await move(client, 0, "/nowhere"), errorCode.LOG_DIR_NOT_FOUND);
    assert.equal(await move(client, 99, join(root, "b")), errorCode.REPLICA_NOT_AVAILABLE);
    assert.equal(await move(client, 0, join(root, "a")), NONE);
    for (const partition of [1, 3, 5]) assert.equal(await produce(client, partition), NONE);
    Deno.renameSync(join(root, "b"), join(root, "gone"));
    // Appends go on until a checkpoint cannot be written there.
    for (const partition of [1, 3, 5]) while (await produce(client, partition) === NONE);
    assert.equal(await move(client, 0, join(root, "b")), KAFKA_STORAGE_ERROR);
    assert.equal(await move(client, 1, join(root, "a")), KAFKA_STORAGE_ERROR);
  }));

Deno.test("AlterReplicaLogDirs leaves a partition where it is when the other disk refuses the copy", () =>
  withDirectory(async (root) => {
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    await produce(client, 0);
    Deno.renameSync(join(root, "b"), join(root, "removed")); // the broker may write a checkpoint to it right now
    Deno.writeTextFileSync(join(root, "b"), "no directory");
    const code = await move(client, 0, join(root, "b"));
    assert([NONE, KAFKA_STORAGE_ERROR].includes(code as never));
    for (let i = 0; i < 20; i++) assert.equal(await produce(client, 0), NONE);
    assert.equal(await endOffset(client, 0), 21);
  }));

Deno.test("a start with log.dirs in another order finds every partition, and the store where metadata.log.dir says", () =>
  withDirectory(async (root) => {
    {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      for (let partition = 0; partition < PARTITIONS; partition++) assert.equal(await produce(client, partition), NONE);
    }
    const lies = /topics and settings of this broker lie in .*\/a, .* set metadata\.log\.dir=.*\/a/;
    await assert.rejects(start(root, ["b", "a"]), (error) => error instanceof StartupError && lies.test(error.message));
    const metadata = { "metadata.log.dir": join(root, "a") };
    {
      // Neither was touched by the start that was refused; a third one is new.
      await using broker = await start(root, ["b", "c", "a"], metadata);
      using client = await KafkaClient.connect(broker);
      for (let partition = 0; partition < PARTITIONS; partition++) assert.equal(await endOffset(client, partition), 1);
      assert.deepEqual(await described(client, root), { ...SPREAD, c: [] });
      assert.equal(await move(client, 0, join(root, "c")), NONE);
      await until(client, root, { b: [1, 3, 5], c: [0], a: [2, 4] });
    }
    {
      await using broker = await start(root, ["a", "b"]);
      using client = await KafkaClient.connect(broker);
      assert.deepEqual(await leaders(client), [-1, 1, 1, 1, 1, 1], "its directory left log.dirs");
      assert.equal(await produce(client, 0), KAFKA_STORAGE_ERROR);
    }
    await using broker = await start(root, ["c", "a", "b"], metadata);
    using client = await KafkaClient.connect(broker);
    assert.deepEqual([await produce(client, 0), await endOffset(client, 0)], [NONE, 2]);
  }));

Deno.test("startBroker() refuses a log directory that is named twice, or lies in another one", () =>
  withDirectory(async (root) => {
    Deno.mkdirSync(join(root, "a"));
    Deno.symlinkSync(join(root, "a"), join(root, "link"));
    await assert.rejects(start(root, ["a", "link"]), /log\.dirs names .*\/a twice/);
    await assert.rejects(start(root, ["a", "a/disk-2"]), /lies in log directory/);
    assert.deepEqual([...Deno.readDirSync(join(root, "a"))], []);
  }));

Deno.test("AlterReplicaLogDirs takes a log directory that is a symbolic link by its name in log.dirs, and by its path", () =>
  withDirectory(async (root) => {
    Deno.mkdirSync(join(root, "disk"));
    Deno.symlinkSync(join(root, "disk"), join(root, "b"));
    await using broker = await start(root, ["a", "b"]);
    using client = await KafkaClient.connect(broker);
    for (const name of ["b", "disk"]) {
      await until(client, root, { a: [0, 2, 4], disk: [1, 3, 5] });
      assert.equal(await move(client, 0, join(root, name)), NONE);
      await until(client, root, { a: [2, 4], disk: [0, 1, 3, 5] });
      assert.equal(await move(client, 0, join(root, "a")), NONE);
    }
    await until(client, root, { a: [0, 2, 4], disk: [1, 3, 5] });
  }));
