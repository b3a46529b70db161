/**
 * FindCoordinator, API key 10: finds the coordinator of a group or a transaction. Plain data. Source: Kafka 4.3
 * FindCoordinatorRequest.json, FindCoordinatorResponse.json.
 *
 * v1 key type (KIP-98), throttle time (KIP-124) · v3 flexible (KIP-482) · v4 several keys (KIP-699) · v5 TRANSACTION_ABORTABLE (KIP-890) ·
 * v6 share groups, key "group:topicId:partition" (KIP-932).
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const findCoordinatorRequest = message({ apiKey: 10, versions: "0-6", flexible: "3+" }, {
  key: field(string, "0-3", { default: "" }),
  keyType: field(int8, "1+", { default: 0 }), // 0 = group, 1 = transaction, 2 = share group
  coordinatorKeys: field(array(string), "4+", { default: [] }),
});

/** The response, in all its versions. */
export const findCoordinatorResponse = message({ apiKey: 10, versions: "0-6", flexible: "3+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0-3", { default: 0 }),
  errorMessage: field(string, "1-3", { nullable: "1-3", default: null, ignorable: true }),
  nodeId: field(int32, "0-3", { default: 0 }),
  host: field(string, "0-3", { default: "" }),
  port: field(int32, "0-3", { default: 0 }),
  coordinators: field(
    array(struct({
      key: field(string, "4+"),
      nodeId: field(int32, "4+"),
      host: field(string, "4+"),
      port: field(int32, "4+"),
      errorCode: field(int16, "4+"),
      errorMessage: field(string, "4+", { nullable: "4+", default: null, ignorable: true }),
    })),
    "4+",
    { default: [] },
  ),
});

/** What a client asks. */
export type FindCoordinatorRequest = Infer<typeof findCoordinatorRequest>;
/** What the broker answers. */
export type FindCoordinatorResponse = Encodable<typeof findCoordinatorResponse>;
