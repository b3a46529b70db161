/**
 * Retention beside Apache Kafka's own: the same batches, with the same timestamps and the same rules, go into both brokers. Afterwards
 * both logs start at the same offset, and have the same segments. BARNABAS_SEED replays the random topics.
 */
import { strict as assert } from "node:assert";
import { startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { WireClient } from "../../bench/peer/wire_client.ts";
import { startBroker } from "../../mod.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../../net/protocol/messages/21_delete_records.ts";
import { KafkaClient } from "../kafka_client.ts";
import { buildBatch } from "../record_batch_builder.ts";
import { configure } from "../topic_requests.ts";
import { temporaryDirectory } from "./broker.ts";
import { chooseSeed, Random } from "./random.ts";
import { interopTest } from "./toolchain.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LONG_MAX = "9223372036854775807";
/** Three records of this size fill a segment of 1 MiB, the smallest that Kafka allows. */
const VALUE_BYTES = 340_000;
const KEY = "k";
const RANDOM_TOPICS = 12;
const PATIENCE_MS = 60_000;

const overrides = {
  "log.initial.task.delay.ms": "0",
  "log.retention.check.interval.ms": "300",
  "log.cleaner.backoff.ms": "300",
  "log.segment.delete.delay.ms": "0",
  "log.segment.bytes": "1048576",
  "log.message.timestamp.before.max.ms": LONG_MAX,
  "log.message.timestamp.after.max.ms": LONG_MAX,
};

const defaults: Readonly<Record<string, string>> = { "retention.ms": "604800000", "retention.bytes": "-1" };

/** A topic, the ages of its records in ms (null: no timestamp), and what is deleted by a client. */
interface Scenario {
  readonly topic: string;
  readonly configs: Readonly<Record<string, string>>;
  readonly ages: readonly (number | null)[];
  readonly deletedBelow?: number;
}

const hours = (...ages: number[]) => ages.map((age) => age * HOUR_MS);
const batchBytes = batchOf(0).length;
const byTime = (ms: number) => ({ "retention.ms": String(ms) });
const bySize = (bytes: number) => ({ "retention.ms": "-1", "retention.bytes": String(bytes) });
const ten = hours(9, 9, 9, 9, 9, 9, 9, 9, 9, 9);

const scenarios: readonly Scenario[] = [
  { topic: "time", configs: byTime(HOUR_MS), ages: hours(3, 3, 3, 2, 2, 2, 0.5, 0.5, 0.5, 0.1) },
  { topic: "all", configs: byTime(HOUR_MS), ages: hours(3, 3, 3, 2, 2) },
  { topic: "young-between", configs: byTime(HOUR_MS), ages: hours(3, 3, 3, 0.5, 3, 3, 3, 3, 3) },
  { topic: "one-young-record", configs: byTime(HOUR_MS), ages: hours(3, 3, 3, 3, 0.5, 3, 3) },
  { topic: "retention-0", configs: byTime(0), ages: hours(1, 1, 1, 0.1) },
  { topic: "unlimited", configs: { "retention.ms": "-1" }, ages: ten },
  { topic: "future", configs: byTime(HOUR_MS), ages: hours(3, 3, 3, -9, 3, 3, 3, 3, 3) },
  {
    topic: "future-by-size",
    configs: { ...byTime(HOUR_MS), "retention.bytes": "1" },
    ages: hours(3, 3, 3, -9, 3, 3, 3),
  },
  { topic: "no-timestamps", configs: byTime(HOUR_MS), ages: [null, null, null, null] },
  { topic: "append-time", configs: { ...byTime(HOUR_MS), "message.timestamp.type": "LogAppendTime" }, ages: ten },
  { topic: "size-0", configs: bySize(0), ages: ten },
  { topic: "size-exact", configs: bySize(7 * batchBytes), ages: ten },
  { topic: "size-over", configs: bySize(7 * batchBytes + 1), ages: ten },
  { topic: "size-under", configs: bySize(7 * batchBytes - 1), ages: ten },
  { topic: "size-large", configs: bySize(100 * batchBytes), ages: ten },
  {
    topic: "both",
    configs: { ...byTime(2 * HOUR_MS), "retention.bytes": String(8 * batchBytes) },
    ages: hours(5, 5, 5, 4, 4, 4, 1, 1, 1, 1),
  },
  { topic: "deleted", configs: bySize(5 * batchBytes), ages: ten, deletedBelow: 4 },
  { topic: "deleted-in-last", configs: byTime(HOUR_MS), ages: hours(3, 3, 3, 0.1, 0.1), deletedBelow: 4 },
  { topic: "compacted", configs: { "cleanup.policy": "compact", "retention.bytes": "0" }, ages: ten },
  {
    topic: "both-policies",
    // The cleaner leaves it alone: a segment that it empties first counts as old as its file in Kafka, and stays for an hour.
    configs: { ...byTime(HOUR_MS), "cleanup.policy": "compact,delete", "min.compaction.lag.ms": String(24 * HOUR_MS) },
    ages: hours(3, 3, 3, 2, 2, 2, 0.1),
  },
];

function batchOf(timestamp: number): Uint8Array {
  return buildBatch([{ key: KEY, value: new Uint8Array(VALUE_BYTES), timestamp }], { baseTimestamp: timestamp });
}

function randomScenario(random: Random, number: number): Scenario {
  // Ages are whole tens of minutes, and the rules lie between them: it does not matter that the brokers look at different times.
  const ages = Array.from({ length: 1 + random.below(15) }, () => (random.below(30) - 3) * 10 * MINUTE_MS);
  const configs = {
    "retention.ms": random.oneIn(4) ? "-1" : String((random.below(25) * 10 + 5) * MINUTE_MS),
    "retention.bytes": random.oneIn(2) ? "-1" : String(random.below(15) * batchBytes + random.below(3) - 1),
  };
  return {
    topic: `random-${number}`,
    configs,
    ages,
    ...(random.oneIn(3) ? { deletedBelow: random.below(ages.length) } : {}),
  };
}

/** A broker with its clients and its data directory. */
class Side implements Disposable {
  readonly wire: WireClient;
  readonly client: KafkaClient;
  readonly dataDir: string;

  private constructor(wire: WireClient, client: KafkaClient, dataDir: string) {
    this.wire = wire;
    this.client = client;
    this.dataDir = dataDir;
  }

  static async of({ port, dataDir }: { port: number; dataDir: string }): Promise<Side> {
    return new Side(await WireClient.connect(port), await KafkaClient.connect({ port }), dataDir);
  }

  /** Writes a topic while nothing is removed from it, and then sets its rules. */
  async write({ topic, configs, ages, deletedBelow }: Scenario, nowMs: number): Promise<void> {
    await this.wire.createTopic(topic, 1, { ...configs, "retention.ms": "-1", "retention.bytes": "-1" });
    for (const age of ages) {
      const { errorCode } = await this.wire.produce({ topic, partition: 0 }, batchOf(age === null ? -1 : nowMs - age));
      assert.equal(errorCode, 0, `produce to ${topic}`);
    }
    if (deletedBelow !== undefined) {
      const topics = [{ name: topic, partitions: [{ partitionIndex: 0, offset: deletedBelow }] }];
      const value = { topics, timeoutMs: 30_000 };
      await this.client.call(deleteRecordsRequest, deleteRecordsResponse, { apiVersion: 2, value });
    }
    const rules = ["retention.ms", "retention.bytes"].map((name) => [name, configs[name] ?? defaults[name]!]);
    await configure(this.client, topic, Object.fromEntries(rules));
  }

  startOf(topic: string): Promise<number> {
    return this.wire.listOffset({ topic, partition: 0 }, -2);
  }

  /** Waits until a record that goes at once has gone: then a pass has ended that began after everything before it was written. */
  async awaitPass(name: string): Promise<void> {
    await this.write({ topic: name, configs: byTime(1), ages: hours(3) }, Date.now());
    await until(async () => await this.startOf(name) === 1, `${name} is empty`);
  }

  /** What is left of a topic: log start, log end, and the base offsets of the segments. */
  async left(topic: string): Promise<{ start: number; end: number; segments: number[] }> {
    const start = await this.startOf(topic);
    const end = await this.wire.listOffset({ topic, partition: 0 }, -1);
    const names = [...Deno.readDirSync(`${this.dataDir}/${topic}-0`)].map(({ name }) => name);
    const segments = names.filter((name) => /^\d+\.log$/.test(name)).map((name) => parseInt(name)).sort((a, b) =>
      a - b
    );
    return { start, end, segments };
  }

  [Symbol.dispose](): void {
    this.wire[Symbol.dispose]();
    this.client[Symbol.dispose]();
  }
}

/** Waits until a condition holds; each look takes a round trip to the broker, which makes time pass. */
async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const endMs = performance.now() + PATIENCE_MS; !await holds();) {
    if (performance.now() > endMs) throw new Error(`Waited too long: ${what}`);
  }
}

interopTest({
  name: "retention: the same batches and rules leave the same log starts and segments here and in Apache Kafka",
  needs: ["kafka"],
  async fn(context) {
    using ownDirectory = temporaryDirectory();
    using kafkaDirectory = temporaryDirectory();
    const random = new Random(chooseSeed());
    const written = [
      ...scenarios,
      ...Array.from({ length: RANDOM_TOPICS }, (_, number) => randomScenario(random, number)),
    ];
    await using kafka = await startApacheKafka({ directory: kafkaDirectory.path, properties: overrides });
    await using broker = await startBroker({ port: 0, shards: 2, dataDir: ownDirectory.path, overrides });
    using ours = await Side.of(broker);
    using theirs = await Side.of(kafka);
    const nowMs = Date.now();
    await context.step(`both write ${written.length} topics (seed ${random.seed})`, async () => {
      for (const side of [ours, theirs]) for (const scenario of written) await side.write(scenario, nowMs);
    });
    await context.step("two passes end in both", async () => {
      for (const name of ["sentinel-1", "sentinel-2"]) for (const side of [ours, theirs]) await side.awaitPass(name);
    });
    for (const { topic, configs, ages } of written) {
      await context.step(`${topic}: the same is left`, async () => {
        const text = `${JSON.stringify(configs)}, ages in minutes ${
          ages.map((age) => age === null ? "none" : age / MINUTE_MS)
        }`;
        const segmentsAgree = async () => {
          const [own, kafkas] = [await ours.left(topic), await theirs.left(topic)];
          return JSON.stringify(own) === JSON.stringify(kafkas);
        };
        // Topics with compact get their retention from Kafka's cleaner, at other times; its segments are compacted.
        if (configs["cleanup.policy"] === undefined) {
          await until(
            segmentsAgree,
            `${topic}: ${JSON.stringify([await ours.left(topic), await theirs.left(topic)])}, ${text}`,
          );
        } else {
          await until(
            async () => await ours.startOf(topic) === await theirs.startOf(topic),
            `${topic}: ${JSON.stringify([await ours.left(topic), await theirs.left(topic)])}, ${text}`,
          );
        }
      });
    }
    await context.step("the topics differ, so that the comparison means something (canary)", async () => {
      const starts = new Set<number>();
      for (const { topic } of written) starts.add(await ours.startOf(topic));
      assert.ok(starts.size >= 5, `${[...starts]}`);
    });
  },
});
