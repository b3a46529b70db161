/**
 * Produce, API key 0: appends record batches to partitions. Plain data. Source: Kafka 4.3 ProduceRequest.json, ProduceResponse.json.
 *
 * v3 transactional id, batches v2 (KIP-98) · v4 KAFKA_STORAGE_ERROR (KIP-112) · v5 log start offset (KIP-107) · v7 zstd (KIP-110) ·
 * v8 record errors (KIP-467) · v9 flexible (KIP-482) · v10 current leader (KIP-951) · v11 TRANSACTION_ABORTABLE (KIP-890) ·
 * v12 adds partitions to the transaction (KIP-890) · v13 topic ids (KIP-516). Kafka 4 refuses v0 to v2 (KIP-896).
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
  message,
  records,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

const topicProduceData = struct({
  name: field(string, "0-12", { default: "", ignorable: true }),
  topicId: field(uuid, "13+", { default: ZERO_UUID, ignorable: true }),
  partitionData: field(
    array(struct({
      index: field(int32, "0+"),
      records: field(records, "0+", { nullable: "0+" }),
    })),
    "0+",
  ),
});

/** The request, in all its versions. */
export const produceRequest = message({ apiKey: 0, versions: "3-13", flexible: "9+" }, {
  transactionalId: field(string, "3+", { nullable: "3+", default: null }),
  acks: field(int16, "0+"), // 0 = no answer, 1 = leader, -1 = all in-sync replicas
  timeoutMs: field(int32, "0+"),
  topicData: field(array(topicProduceData), "0+"),
});

const partitionProduceResponse = struct({
  index: field(int32, "0+"),
  errorCode: field(int16, "0+"),
  baseOffset: field(int64, "0+"),
  logAppendTimeMs: field(int64, "2+", { default: -1, ignorable: true }),
  logStartOffset: field(int64, "5+", { default: -1, ignorable: true }),
  recordErrors: field(
    array(struct({
      batchIndex: field(int32, "8+"),
      batchIndexErrorMessage: field(string, "8+", { nullable: "8+", default: null }),
    })),
    "8+",
    { default: [], ignorable: true },
  ),
  errorMessage: field(string, "8+", { nullable: "8+", default: null, ignorable: true }),
  currentLeader: field(
    struct({
      leaderId: field(int32, "10+", { default: -1 }),
      leaderEpoch: field(int32, "10+", { default: -1 }),
    }),
    "10+",
    { tag: 0, taggedVersions: "10+", ignorable: true },
  ),
});

/** The response, in all its versions. */
export const produceResponse = message({ apiKey: 0, versions: "3-13", flexible: "9+" }, {
  responses: field(
    array(struct({
      name: field(string, "0-12", { default: "", ignorable: true }),
      topicId: field(uuid, "13+", { default: ZERO_UUID, ignorable: true }),
      partitionResponses: field(array(partitionProduceResponse), "0+"),
    })),
    "0+",
  ),
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  nodeEndpoints: field(
    array(struct({
      nodeId: field(int32, "10+"),
      host: field(string, "10+"),
      port: field(int32, "10+"),
      rack: field(string, "10+", { nullable: "10+", default: null }),
    })),
    "10+",
    { tag: 0, taggedVersions: "10+", ignorable: true },
  ),
});

/** What a producer sent. */
export type ProduceRequest = Infer<typeof produceRequest>;
/** What the broker answers. */
export type ProduceResponse = Encodable<typeof produceResponse>;
/** One partition's part of the answer. */
export type PartitionProduceResponse = Encodable<typeof partitionProduceResponse>;
