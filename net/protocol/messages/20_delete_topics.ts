/**
 * DeleteTopics, API key 20. Plain data. Source: Kafka 4.3 DeleteTopicsRequest.json, DeleteTopicsResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 TOPIC_DELETION_DISABLED (KIP-322) · v4 flexible (KIP-482) · v5 error message, THROTTLING_QUOTA_EXCEEDED
 * (KIP-599) · v6 by name or topic id (KIP-516). Kafka 4 refuses v0 (KIP-896).
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct, uuid } from "../schema.ts";
import { ZERO_UUID } from "../text_cache.ts";

/** The request, in all its versions. */
export const deleteTopicsRequest = message({ apiKey: 20, versions: "1-6", flexible: "4+" }, {
  topics: field(
    array(struct({
      name: field(string, "6+", { nullable: "6+", default: null }),
      topicId: field(uuid, "6+", { default: ZERO_UUID }),
    })),
    "6+",
    { default: [] },
  ),
  topicNames: field(array(string), "0-5", { default: [], ignorable: true }),
  timeoutMs: field(int32, "0+"),
});

const deletableTopicResult = struct({
  name: field(string, "0+", { nullable: "6+" }),
  topicId: field(uuid, "6+", { default: ZERO_UUID, ignorable: true }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "5+", { nullable: "5+", default: null, ignorable: true }),
});

/** The response, in all its versions. */
export const deleteTopicsResponse = message({ apiKey: 20, versions: "1-6", flexible: "4+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  responses: field(array(deletableTopicResult), "0+"),
});

/** What a client asks. */
export type DeleteTopicsRequest = Infer<typeof deleteTopicsRequest>;
/** What the broker answers. */
export type DeleteTopicsResponse = Encodable<typeof deleteTopicsResponse>;
/** One topic's part of the answer. */
export type DeletableTopicResult = Encodable<typeof deletableTopicResult>;
