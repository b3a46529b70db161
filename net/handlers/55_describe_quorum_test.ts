import assert from "node:assert/strict";
import { ManualClock } from "../../storage/base/clock.ts";
import type { BrokerImage } from "../../partitions/metadata/image.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { DescribeQuorumRequest, DescribeQuorumResponse } from "../protocol/messages/55_describe_quorum.ts";
import { handleDescribeQuorum } from "./55_describe_quorum.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const METADATA = "__cluster_metadata";
const ZERO = "AAAAAAAAAAAAAAAAAAAAAA";
const clock = new ManualClock(1_700_000_000_000);

function asked(...topics: [name: string, ...partitions: number[]][]): DescribeQuorumRequest {
  return {
    topics: topics.map(([topicName, ...partitions]) => ({
      topicName,
      partitions: partitions.map((partitionIndex) => ({ partitionIndex })),
    })),
  };
}

function describe(
  request: DescribeQuorumRequest,
  { version = 2, ...given }: Parameters<typeof testServices>[1] & { version?: number } = {},
) {
  const { services } = testServices([], { clock, ...given });
  services.image.apply({ changed: [], deletedIds: [], version: 77 });
  const exchange = new WireExchange<DescribeQuorumResponse>(55, version);
  handleDescribeQuorum(request, exchange, services);
  return exchange.answer;
}

for (const version of servedVersions(55)) {
  Deno.test(`handleDescribeQuorum() v${version} names this broker as the one voter, which has all of the metadata`, () => {
    const { errorCode: code, topics, nodes } = describe(asked([METADATA, 0]), { version });
    const timeMs = version >= 1 ? clock.wallMs() : -1;
    const voter = { replicaId: 1, replicaDirectoryId: ZERO, logEndOffset: 77, lastFetchTimestamp: timeMs };
    assert.equal(code, errorCode.NONE);
    assert.deepEqual(topics, [{
      topicName: METADATA,
      partitions: [{
        partitionIndex: 0,
        errorCode: 0,
        errorMessage: "",
        leaderId: 1,
        leaderEpoch: 1,
        highWatermark: 77,
        currentVoters: [{ ...voter, lastCaughtUpTimestamp: timeMs }],
        observers: [],
      }],
    }]);
    const listeners = [{ name: "PLAINTEXT", host: "192.0.2.7", port: 19092 }];
    assert.deepEqual(nodes, version >= 2 ? [{ nodeId: 1, listeners }] : []);
  });
}

Deno.test("handleDescribeQuorum() names the elected controller of a cluster, with its epoch and address", () => {
  const other: BrokerImage = {
    nodeId: 2,
    rack: null,
    state: "active",
    advertised: [{ name: "PLAINTEXT", host: "host2", port: 9092 }],
    directories: [],
  };
  const { services } = testServices([], { clock, brokers: [other], controllerId: 2 });
  services.image.apply({ changed: [], deletedIds: [], version: 9, controllerId: 2, controllerEpoch: 2 ** 40 });
  const exchange = new WireExchange<DescribeQuorumResponse>(55, 2);
  handleDescribeQuorum(asked([METADATA, 0]), exchange, services);
  const { topics, nodes } = exchange.answer;
  const [partition] = topics[0]?.partitions ?? [];
  assert.deepEqual([partition?.leaderId, partition?.leaderEpoch, partition?.highWatermark], [2, 2 ** 31 - 1, 9]);
  assert.deepEqual(nodes, [{ nodeId: 2, listeners: [{ name: "PLAINTEXT", host: "host2", port: 9092 }] }]);
});

Deno.test("handleDescribeQuorum() has clients ask again while there is no controller", () => {
  const { errorCode: code, topics, nodes } = describe(asked([METADATA, 0]), { controllerId: -1 });
  assert.deepEqual([code, nodes], [0, []]);
  assert.equal(topics[0]?.partitions[0]?.errorCode, errorCode.NOT_LEADER_OR_FOLLOWER);
});

Deno.test("handleDescribeQuorum() refuses every partition named, unless it is the metadata alone, as Kafka does", () => {
  const requests = [
    asked(["t", 0]),
    asked([METADATA, 1]),
    asked([METADATA, 0, 0]),
    asked([METADATA, 0], ["t", 0, 1]),
    asked([METADATA]),
    asked(),
  ];
  for (const request of requests) {
    const { errorCode: code, topics } = describe(request);
    assert.equal(code, errorCode.NONE);
    assert.deepEqual(
      topics.map(({ topicName, partitions }) => [topicName, ...partitions.map(({ partitionIndex }) => partitionIndex)]),
      request.topics.map(({ topicName, partitions }) => [topicName, ...partitions.map((one) => one.partitionIndex)]),
    );
    for (const { partitions } of topics) {
      for (const one of partitions) assert.equal(one.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
    }
  }
});
