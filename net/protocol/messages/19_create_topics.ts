/**
 * CreateTopics, API key 19. Plain data. Source: Kafka 4.3 CreateTopicsRequest.json, CreateTopicsResponse.json.
 *
 * v1 validate only, error message (KIP-4) · v2 throttle time (KIP-124) · v4 -1 = broker's default (KIP-464) · v5 flexible (KIP-482),
 * partitions, replication factor and configs in the answer (KIP-525) · v6 THROTTLING_QUOTA_EXCEEDED (KIP-599) · v7 topic id
 * in the answer (KIP-516). Kafka 4 refuses v0 and v1 (KIP-896).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int8,
  message,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

const creatableTopic = struct({
  name: field(string, "0+"),
  numPartitions: field(int32, "0+"),
  replicationFactor: field(int16, "0+"),
  assignments: field(
    array(struct({
      partitionIndex: field(int32, "0+"),
      brokerIds: field(array(int32), "0+"),
    })),
    "0+",
    { default: [] },
  ),
  configs: field(
    array(struct({
      name: field(string, "0+"),
      value: field(string, "0+", { nullable: "0+" }),
    })),
    "0+",
    { default: [] },
  ),
});

/** The request, in all its versions. */
export const createTopicsRequest = message({ apiKey: 19, versions: "2-7", flexible: "5+" }, {
  topics: field(array(creatableTopic), "0+"),
  timeoutMs: field(int32, "0+", { default: 60000 }),
  validateOnly: field(bool, "1+", { default: false }),
});

const creatableTopicResult = struct({
  name: field(string, "0+"),
  topicId: field(uuid, "7+", { default: ZERO_UUID, ignorable: true }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "1+", { nullable: "0+", default: null, ignorable: true }),
  topicConfigErrorCode: field(int16, "5+", { default: 0, tag: 0, taggedVersions: "5+", ignorable: true }),
  numPartitions: field(int32, "5+", { default: -1, ignorable: true }),
  replicationFactor: field(int16, "5+", { default: -1, ignorable: true }),
  configs: field(
    array(struct({
      name: field(string, "5+"),
      value: field(string, "5+", { nullable: "5+" }),
      readOnly: field(bool, "5+"),
      configSource: field(int8, "5+", { default: -1, ignorable: true }),
      isSensitive: field(bool, "5+"),
    })),
    "5+",
    { nullable: "5+", default: [], ignorable: true },
  ),
});

/** The response, in all its versions. */
export const createTopicsResponse = message({ apiKey: 19, versions: "2-7", flexible: "5+" }, {
  throttleTimeMs: field(int32, "2+", { default: 0, ignorable: true }),
  topics: field(array(creatableTopicResult), "0+"),
});

/** What a client asks. */
export type CreateTopicsRequest = Infer<typeof createTopicsRequest>;
/** One topic to be created. */
export type CreatableTopic = Infer<typeof creatableTopic>;
/** What the broker answers. */
export type CreateTopicsResponse = Encodable<typeof createTopicsResponse>;
/** One topic's part of the answer. */
export type CreatableTopicResult = Encodable<typeof creatableTopicResult>;
