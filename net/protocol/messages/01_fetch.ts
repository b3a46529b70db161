/**
 * Fetch, API key 1: reads record batches. Plain data. Source: Kafka 4.3 FetchRequest.json, FetchResponse.json.
 *
 * v4 isolation level, batches v2 (KIP-98) · v5 log start offset (KIP-107) · v7 sessions (KIP-227) · v9 current leader epoch (KIP-320) ·
 * v10 zstd (KIP-110) · v11 rack and preferred replica (KIP-392) · v12 flexible (KIP-482), epochs (KIP-595) · v13 topic ids (KIP-516) ·
 * v14 OFFSET_MOVED_TO_TIERED_STORAGE (KIP-405) · v15 replica state (KIP-903) · v16 node endpoints (KIP-951) ·
 * v17 directory id (KIP-853) · v18 high watermark (KIP-1166). Kafka 4 refuses v0 to v3 (KIP-896).
 *
 * currentLeader and nodeEndpoints are hints: unlike in Kafka they are ignorable, so that a handler may state them in every version.
 */
import {
  array,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  message,
  records,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

const fetchPartition = struct({
  partition: field(int32, "0+"),
  currentLeaderEpoch: field(int32, "9+", { default: -1, ignorable: true }),
  fetchOffset: field(int64, "0+"),
  lastFetchedEpoch: field(int32, "12+", { default: -1 }),
  logStartOffset: field(int64, "5+", { default: -1, ignorable: true }), // of a follower
  partitionMaxBytes: field(int32, "0+"),
  replicaDirectoryId: field(uuid, "17+", { default: ZERO_UUID, tag: 0, taggedVersions: "17+", ignorable: true }),
  highWatermark: field(int64, "18+", { default: 2 ** 63, tag: 1, taggedVersions: "18+", ignorable: true }),
});

/** The request, in all its versions. */
export const fetchRequest = message({ apiKey: 1, versions: "4-18", flexible: "12+" }, {
  clusterId: field(string, "12+", { nullable: "12+", default: null, tag: 0, taggedVersions: "12+", ignorable: true }),
  replicaId: field(int32, "0-14", { default: -1 }), // -1 = a consumer
  replicaState: field(
    struct({
      replicaId: field(int32, "15+", { default: -1 }),
      replicaEpoch: field(int64, "15+", { default: -1 }),
    }),
    "15+",
    { tag: 1, taggedVersions: "15+" },
  ),
  maxWaitMs: field(int32, "0+"),
  minBytes: field(int32, "0+"),
  maxBytes: field(int32, "3+", { default: 0x7fffffff, ignorable: true }),
  isolationLevel: field(int8, "4+", { default: 0, ignorable: true }), // 0 = read uncommitted, 1 = read committed
  sessionId: field(int32, "7+", { default: 0, ignorable: true }),
  sessionEpoch: field(int32, "7+", { default: -1, ignorable: true }), // -1 = no session wanted, 0 = a new one
  topics: field(
    array(struct({
      topic: field(string, "0-12", { default: "", ignorable: true }),
      topicId: field(uuid, "13+", { default: ZERO_UUID, ignorable: true }),
      partitions: field(array(fetchPartition), "0+"),
    })),
    "0+",
  ),
  forgottenTopicsData: field(
    array(struct({
      topic: field(string, "7-12", { default: "", ignorable: true }),
      topicId: field(uuid, "13+", { default: ZERO_UUID, ignorable: true }),
      partitions: field(array(int32), "7+"),
    })),
    "7+",
    { default: [] },
  ),
  rackId: field(string, "11+", { default: "", ignorable: true }),
});

const partitionData = struct({
  partitionIndex: field(int32, "0+"),
  errorCode: field(int16, "0+"),
  highWatermark: field(int64, "0+"),
  lastStableOffset: field(int64, "4+", { default: -1, ignorable: true }),
  logStartOffset: field(int64, "5+", { default: -1, ignorable: true }),
  divergingEpoch: field(
    struct({
      epoch: field(int32, "12+", { default: -1 }),
      endOffset: field(int64, "12+", { default: -1 }),
    }),
    "12+",
    { tag: 0, taggedVersions: "12+" },
  ),
  currentLeader: field(
    struct({
      leaderId: field(int32, "12+", { default: -1 }),
      leaderEpoch: field(int32, "12+", { default: -1 }),
    }),
    "12+",
    { tag: 1, taggedVersions: "12+", ignorable: true },
  ),
  snapshotId: field(
    struct({
      endOffset: field(int64, "0+", { default: -1 }),
      epoch: field(int32, "0+", { default: -1 }),
    }),
    "12+",
    { tag: 2, taggedVersions: "12+" },
  ),
  abortedTransactions: field(
    array(struct({
      producerId: field(int64, "4+"),
      firstOffset: field(int64, "4+"),
    })),
    "4+",
    { nullable: "4+", default: [], ignorable: true },
  ),
  preferredReadReplica: field(int32, "11+", { default: -1 }),
  // The default is an empty record set, never null: null records break librdkafka (KAFKA-18646).
  records: field(records, "0+", { nullable: "0+", default: [] }),
});

/** The response, in all its versions. */
export const fetchResponse = message({ apiKey: 1, versions: "4-18", flexible: "12+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  errorCode: field(int16, "7+", { default: 0, ignorable: true }),
  sessionId: field(int32, "7+", { default: 0 }),
  responses: field(
    array(struct({
      topic: field(string, "0-12", { default: "", ignorable: true }),
      topicId: field(uuid, "13+", { default: ZERO_UUID, ignorable: true }),
      partitions: field(array(partitionData), "0+"),
    })),
    "0+",
  ),
  nodeEndpoints: field(
    array(struct({
      nodeId: field(int32, "16+"),
      host: field(string, "16+"),
      port: field(int32, "16+"),
      rack: field(string, "16+", { nullable: "16+", default: null }),
    })),
    "16+",
    { tag: 0, taggedVersions: "16+", ignorable: true },
  ),
});

/** What a consumer or follower sent. */
export type FetchRequest = Infer<typeof fetchRequest>;
/** One partition that the client wants to read. */
export type FetchPartition = Infer<typeof fetchPartition>;
/** What the broker answers. */
export type FetchResponse = Encodable<typeof fetchResponse>;
/** One partition's part of the answer. */
export type FetchPartitionData = Encodable<typeof partitionData>;
