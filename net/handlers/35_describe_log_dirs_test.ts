import assert from "node:assert/strict";
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { Answers, batchOf, smallLogs, TestShards, topicOn } from "../../partitions/owned/partition_testing.ts";
import type { logSize } from "../../partitions/questions/log_size.ts";
import { volumeSpace } from "../../storage/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { DescribeLogDirsRequest, DescribeLogDirsResponse } from "../protocol/messages/35_describe_log_dirs.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { describeLogDirsApi, handleDescribeLogDirs } from "./35_describe_log_dirs.ts";
import {
  askedPartitions,
  OTHER_TOPIC_ID,
  servedVersions,
  testServices,
  TOPIC_ID,
  topicImage,
  WireExchange,
} from "./handler_testing.ts";

/** A directory whose volume has no bytes, so that they do not change during a test. */
const EMPTY_VOLUME = "/proc";
const ALL = null;

function configOf(logDirectory: string): BrokerConfig {
  return { ...testServices([]).services.config, logDirectories: [logDirectory] };
}

function run(topics: DescribeLogDirsRequest["topics"], version = 5, logDirectory = EMPTY_VOLUME) {
  const { partitions, asked } = askedPartitions<typeof logSize>();
  const exchange = new WireExchange<DescribeLogDirsResponse>(35, version);
  const images = [topicImage("t", TOPIC_ID, 3), topicImage("u", OTHER_TOPIC_ID, 1)];
  const { services } = testServices(images, { partitions, config: configOf(logDirectory) });
  handleDescribeLogDirs({ topics }, exchange, services);
  return { exchange, asked };
}

function of(topic: string, ...partitions: number[]) {
  return { topic, partitions };
}

/** A topic with a partition on each of two shards, every append flushed; the first shard is asked. */
class Scene implements Disposable {
  readonly world = new TestShards(2);
  readonly #topic = topicOn([0, 1], { config: { ...smallLogs, flushMessages: 1 } });

  constructor() {
    assert.deepEqual(this.world.apply(this.#topic), []);
  }

  append(partition: number, ...values: string[]) {
    const answers = new Answers();
    const batch = { ...this.world.putBatch(partition, batchOf(...values)), acks: -1 };
    this.world.at(partition).partitions.append({ shard: partition, slot: partition }, batch, answers, 0);
    this.world.pump();
    return answers.appended[0]?.refusal;
  }

  describe() {
    const exchange = new WireExchange<DescribeLogDirsResponse>(35, 5);
    const { partitions } = this.world.at(0);
    const { services } = testServices([this.#topic], { partitions, config: configOf(EMPTY_VOLUME) });
    handleDescribeLogDirs({ topics: ALL }, exchange, services);
    this.world.pump();
    assert.equal(exchange.answer.results.length, 1);
    return exchange.answer.results[0]!;
  }

  /** Sizes of the files `.log` of a partition. */
  logFiles(partition: number): number[] {
    const files = this.world.at(partition).files.files();
    return files.filter(([path]) => /-\d\/\d+\.log$/.test(path)).map(([, bytes]) => bytes.length);
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

for (const version of servedVersions(35)) {
  Deno.test(`handleDescribeLogDirs() v${version} answers when every partition has, with what the version carries`, () => {
    const { exchange, asked } = run([of("t", 2, 0)], version, "/");
    const [first, second] = asked;
    assert.deepEqual(asked.map(({ slot, ask }) => [slot, ask]), [[2, {}], [0, {}]]);
    second?.waiter.onAnswer(second.tag, { refusal: null, logFilesBytes: 2 ** 40, offsetLag: 0, logEndOffset: 9 });
    assert.equal(exchange.isAnswered, false);
    first?.waiter.onAnswer(first.tag, { refusal: null, logFilesBytes: 0, offsetLag: 7, logEndOffset: 9 });
    const [result] = exchange.answer.results;
    assert.deepEqual(exchange.answer, {
      throttleTimeMs: 0,
      errorCode: errorCode.NONE,
      results: [{
        errorCode: errorCode.NONE,
        logDir: "/",
        topics: [{
          name: "t",
          partitions: [
            { partitionIndex: 2, partitionSize: 0, offsetLag: 7, isFutureKey: false },
            { partitionIndex: 0, partitionSize: 2 ** 40, offsetLag: 0, isFutureKey: false },
          ],
        }],
        totalBytes: version < 4 ? -1 : volumeSpace("/")?.totalBytes,
        usableBytes: version < 4 ? -1 : result?.usableBytes,
        isCordoned: false,
      }],
    });
    if (version >= 4) assert.ok(result!.usableBytes! > 0 && result!.usableBytes! <= result!.totalBytes!);
  });

  Deno.test(`handleDescribeLogDirs() v${version} is for clients that may describe the cluster`, () => {
    const { needs } = describeLogDirsApi;
    const request = { topics: ALL } as never;
    assert.deepEqual([needs?.operation, needs?.resourceOf(request)], ["DESCRIBE", CLUSTER]);
    const exchange = new WireExchange<DescribeLogDirsResponse>(35, version);
    exchange.respond(needs?.refuse(request, version) as DescribeLogDirsResponse);
    const code = version < 3 ? errorCode.NONE : errorCode.CLUSTER_AUTHORIZATION_FAILED;
    assert.deepEqual([exchange.answer.errorCode, exchange.answer.results], [code, []]);
  });
}

Deno.test("handleDescribeLogDirs() asks all partitions for null, and none for an empty list", () => {
  assert.deepEqual(run(ALL).asked.map(({ slot }) => slot), [0, 1, 2, 0]);
  for (const topics of [[], [of("t")]]) {
    const { exchange, asked } = run(topics);
    assert.equal(asked.length, 0);
    const [{ errorCode: code, topics: told } = { errorCode: -1, topics: null }] = exchange.answer.results;
    assert.deepEqual([code, told], [errorCode.NONE, []]);
  }
});

Deno.test("handleDescribeLogDirs() leaves out what is not here, and tells what is named twice once", () => {
  const { exchange, asked } = run([of("none", 0), of("t", 0, 3, -1, 0), of("u", 7), of("t", 1, 2, 0)]);
  assert.deepEqual(asked.map(({ slot }) => slot), [0, 1, 2]);
  for (const { waiter, tag, slot } of asked) {
    // One is being handed over between shards.
    const refusal = slot === 1 ? "not-leader-or-follower" : null;
    waiter.onAnswer(tag, { refusal, logFilesBytes: refusal === null ? slot : -1, offsetLag: 0, logEndOffset: 9 });
  }
  const [{ errorCode: code, topics } = { errorCode: -1, topics: [] }] = exchange.answer.results;
  assert.deepEqual([code, topics.map(({ name }) => name)], [errorCode.NONE, ["t"]]);
  assert.deepEqual(topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex), [0, 2]);
});

Deno.test("handleDescribeLogDirs() says KAFKA_STORAGE_ERROR, and no bytes, where the volume cannot be asked", () => {
  const { exchange } = run([], 5, "/no/such/directory");
  const [{ errorCode: code, totalBytes, usableBytes } = { errorCode: 0 }] = exchange.answer.results;
  assert.deepEqual([code, totalBytes, usableBytes], [errorCode.KAFKA_STORAGE_ERROR, -1, -1]);
});

Deno.test("handleDescribeLogDirs() tells the bytes of all segment files, of its own shard and of others", () => {
  using scene = new Scene();
  for (let count = 0; count < 3; count++) assert.equal(scene.append(1, "x".repeat(30_000)), null);
  assert.equal(scene.append(0, "a"), null);
  assert.equal(scene.logFiles(1).length, 2);
  const [own, other] = [0, 1].map((partition) => scene.logFiles(partition).reduce((sum, bytes) => sum + bytes, 0));
  assert.ok(own! > 0 && other! > 90_000);
  const { errorCode: code, topics } = scene.describe();
  const part = (partitionIndex: number, partitionSize = -1) => {
    return { partitionIndex, partitionSize, offsetLag: 0, isFutureKey: false };
  };
  assert.equal(code, errorCode.NONE);
  assert.deepEqual(topics, [{ name: "t", partitions: [part(0, own), part(1, other)] }]);
});

Deno.test("handleDescribeLogDirs() says KAFKA_STORAGE_ERROR of an offline log, and lists the others", () => {
  for (const offline of [0, 1]) {
    using scene = new Scene();
    for (const partition of [0, 1]) assert.equal(scene.append(partition, "a"), null);
    scene.world.at(offline).files.flushFails = true;
    assert.equal(scene.append(offline, "lost"), null);
    const { errorCode: code, topics } = scene.describe();
    assert.equal(code, errorCode.KAFKA_STORAGE_ERROR);
    assert.deepEqual(topics.flatMap(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex)), [
      1 - offline,
    ]);
  }
});
