import { strict as assert } from "node:assert";
import type { ImageDelta } from "../../partitions/control.ts";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import { MetadataNews } from "./metadata_news.ts";

type TopicImage = ImageDelta["changed"][number];
type PartitionImage = TopicImage["partitions"][number];
type BrokerImage = NonNullable<ImageDelta["brokers"]>[number];

const result = brokerConfigFrom(new Map());
assert(!("refused" in result));
const { logDefaults: logConfig } = result.config;

/** A partition that this broker has, led by it unless the test says otherwise. */
function partition(number: number, changed: Partial<PartitionImage> = {}): PartitionImage {
  return {
    ...{ partition: number, slot: number, shard: 0, directory: 0, leader: 1, leaderEpoch: 3, partitionEpoch: 7 },
    ...{ replicas: [1, 2, 3], isr: [1, 2, 3], replication: { minIsr: 2, recovering: false } },
    ...changed,
  };
}

function topic(partitions: readonly PartitionImage[], about: Partial<TopicImage> = {}): TopicImage {
  return { name: "orders", id: "id-of-orders", isInternal: false, configs: {}, logConfig, partitions, ...about };
}

function broker(nodeId: number, state: BrokerImage["state"]): BrokerImage {
  const advertised = [{ name: "PLAINTEXT", host: "10.0.0.1", port: 9090 + nodeId }];
  return { nodeId, rack: null, state, advertised, directories: [] };
}

/** The news of broker 1 of three, and what they have said. */
class Scene {
  readonly said: string[] = [];
  readonly news: MetadataNews;

  constructor(topics: readonly TopicImage[] = [], brokers = [1, 2, 3].map((nodeId) => broker(nodeId, "active"))) {
    const at = (level: string) => (text: string) => void this.said.push(`${level} ${text}`);
    const log = { debug: at("D"), inform: at("I"), warn: at("W"), complain: at("E") };
    this.news = new MetadataNews({ nodeId: 1, topics: log, cluster: log });
    this.news.begin({
      topics: () => topics,
      brokers: new Map(brokers.map((one) => [one.nodeId, one])),
      controllerId: 2,
    });
  }

  /** @returns what is said about a change */
  publish(delta: Partial<ImageDelta>): string[] {
    this.news.published({ changed: [], deletedIds: [], ...delta });
    return this.said.splice(0);
  }
}

Deno.test("MetadataNews says that brokers join, are fenced, active, stop, have stopped and leave, and who the controller is", () => {
  const scene = new Scene([], [broker(1, "active")]);
  const told = (...brokers: BrokerImage[]) => scene.publish({ brokers: [broker(1, "fenced"), ...brokers] });
  assert.deepEqual(told(broker(2, "fenced")), ["I Broker 2 at 10.0.0.1:9092 has joined the cluster, and is fenced"]);
  assert.deepEqual(told(broker(2, "active")), ["I Broker 2 is active"]);
  assert.deepEqual(told(broker(2, "active")), []);
  assert.deepEqual(told(broker(2, "fenced")), ["W Broker 2 is fenced: it is silent or gone"]);
  assert.deepEqual(told(broker(2, "stopping")), ["I Broker 2 stops, and gives away what it leads"]);
  assert.deepEqual(told(broker(2, "fenced")), ["I Broker 2 has stopped"]);
  assert.deepEqual(told(), ["I Broker 2 is no more in the cluster"]);
  assert.deepEqual(scene.publish({ controllerId: 1 }), ["I This broker, 1, is the controller of the cluster"]);
  assert.deepEqual(scene.publish({ controllerId: -1 }), ["W The cluster has no controller"]);
});

Deno.test("MetadataNews says what changed of a topic, and nothing of one that it knew", () => {
  const before = topic([partition(0)]);
  const scene = new Scene([before], [broker(1, "active")]);
  assert.deepEqual(scene.publish({ changed: [before] }), []);
  assert.deepEqual(scene.publish({ changed: [topic([partition(0), partition(1)])] }), [
    "I Topic orders has 2 partitions, 1 before",
  ]);
  assert.deepEqual(scene.publish({ deletedIds: ["id-of-orders", "id-of-another"] }), ["I Topic orders was deleted"]);
  const groups = [{ groupId: "g", configs: { "consumer.session.timeout.ms": "50000" } }];
  assert.deepEqual(scene.publish({ groups }), ["I Settings of group g are now: consumer.session.timeout.ms=50000"]);
  const clientQuotas = [{ entity: { user: null }, values: { producer_byte_rate: 5 } }];
  assert.deepEqual(scene.publish({ clientQuotas }), ["I Quotas of the default user are now: producer_byte_rate=5"]);
  const many = Array.from({ length: 30 }, (_, number) => topic([], { name: `t${number}`, id: `id-${number}` }));
  assert.deepEqual(scene.publish({ changed: many }).at(-1), "I … and 10 more changes at once");
});

Deno.test("MetadataNews has one line for all partitions that another broker's death concerns, with their number and some names", () => {
  const elsewhere = { leader: 2, isr: [2, 1, 3] };
  const before = Array.from({ length: 8 }, (_, number) => partition(number, number < 2 ? {} : elsewhere));
  const scene = new Scene([topic(before)]);
  const after = before.map((one) => ({ ...one, leader: 1, leaderEpoch: 4, isr: [1, 3] }));
  assert.deepEqual(scene.publish({ changed: [topic(after)] }), [
    "I This broker leads 6 partitions more: orders-2 (leader epoch 4), orders-3 (leader epoch 4), orders-4 (leader epoch 4), " +
    "orders-5 (leader epoch 4), orders-6 (leader epoch 4) and 1 more",
    "I Fewer replicas are in sync with this broker for 8 partitions: orders-0 (1,3 of 1,2,3), orders-1 (1,3 of 1,2,3), " +
    "orders-2 (1,3 of 1,2,3), orders-3 (1,3 of 1,2,3), orders-4 (1,3 of 1,2,3) and 3 more",
  ]);
  assert.deepEqual(scene.publish({ changed: [topic([{ ...after[0]!, slot: 9 }, ...after.slice(1)])] }), []);
});

Deno.test("MetadataNews warns of partitions without a leader, with too few replicas in sync, and with one that may have lost records", () => {
  const cases: readonly (readonly [PartitionImage, string])[] = [
    [partition(0, { leader: -1 }), "W Nobody leads 1 partition of this broker's: orders-0 (replicas 1,2,3)"],
    [partition(0, { leader: 2 }), "I Others lead 1 partition that this broker led: orders-0 (broker 2)"],
    [
      partition(0, { isr: [1] }),
      "W Too few replicas are in sync for acks=all (min.insync.replicas) for 1 partition: orders-0 (1 of 2)",
    ],
    [
      partition(0, { replication: { minIsr: 2, recovering: true } }),
      "W Records may be lost, because this broker was elected uncleanly for 1 partition: orders-0 (leader epoch 3)",
    ],
    [
      partition(0, { adding: [4], removing: [3], replicas: [1, 2, 4, 3] }),
      "I Other brokers are to have 1 partition: orders-0 (to 1,2,4)",
    ],
  ];
  for (const [now, expected] of cases) {
    const scene = new Scene([topic([partition(0)])]);
    assert.equal(scene.publish({ changed: [topic([now])] }).at(-1), expected);
  }
  const moving = partition(0, { adding: [4], removing: [3], replicas: [1, 2, 4, 3] });
  const scene = new Scene([topic([moving])]);
  const moved = partition(0, { replicas: [1, 2, 4], isr: [1, 2, 3, 4] });
  assert.deepEqual(
    scene.publish({ changed: [topic([moved])] }).at(-1),
    "I Reassignment has ended for 1 partition: orders-0 (on 1,2,4)",
  );
});
