/**
 * AlterPartitionReassignments, API key 45: gives partitions other replicas (KIP-455). Plain data. Source: Kafka 4.3
 * AlterPartitionReassignmentsRequest.json, AlterPartitionReassignmentsResponse.json.
 *
 * v0 flexible · v1 allowReplicationFactorChange (KIP-860).
 */
import { array, bool, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

const reassignablePartition = struct({
  partitionIndex: field(int32, "0+"),
  replicas: field(array(int32), "0+", { nullable: "0+", default: null }), // null cancels
});

const reassignableTopic = struct({
  name: field(string, "0+"),
  partitions: field(array(reassignablePartition), "0+"),
});

/** The request, in all its versions. */
export const alterPartitionReassignmentsRequest = message({ apiKey: 45, versions: "0-1", flexible: "0+" }, {
  timeoutMs: field(int32, "0+", { default: 60_000 }),
  allowReplicationFactorChange: field(bool, "1+", { default: true }),
  topics: field(array(reassignableTopic), "0+"),
});

const reassignablePartitionResponse = struct({
  partitionIndex: field(int32, "0+"),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
});

const reassignableTopicResponse = struct({
  name: field(string, "0+"),
  partitions: field(array(reassignablePartitionResponse), "0+"),
});

/** The response, in all its versions. */
export const alterPartitionReassignmentsResponse = message({ apiKey: 45, versions: "0-1", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  allowReplicationFactorChange: field(bool, "1+", { default: true, ignorable: true }),
  errorCode: field(int16, "0+", { default: 0 }),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
  responses: field(array(reassignableTopicResponse), "0+"),
});

/** A decoded request. */
export type AlterPartitionReassignmentsRequest = Infer<typeof alterPartitionReassignmentsRequest>;
/** A response to be encoded. */
export type AlterPartitionReassignmentsResponse = Encodable<typeof alterPartitionReassignmentsResponse>;
