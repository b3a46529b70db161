/**
 * ElectLeaders, API key 43: has leaders elected (KIP-183, KIP-460). Plain data. Source: Kafka 4.3 ElectLeadersRequest.json,
 * ElectLeadersResponse.json.
 *
 * v1 electionType (KIP-460), an error of the whole answer · v2 flexible.
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** Values of `electionType`. */
export const electionTypes = { preferred: 0, unclean: 1 } as const;

const electedTopic = struct({
  topic: field(string, "0+"),
  partitions: field(array(int32), "0+"),
});

/** The request, in all its versions. */
export const electLeadersRequest = message({ apiKey: 43, versions: "0-2", flexible: "2+" }, {
  electionType: field(int8, "1+", { default: electionTypes.preferred }),
  topicPartitions: field(array(electedTopic), "0+", { nullable: "0+" }), // null: all
  timeoutMs: field(int32, "0+", { default: 60_000 }),
});

const partitionResult = struct({
  partitionId: field(int32, "0+"),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
});

const replicaElectionResult = struct({
  topic: field(string, "0+"),
  partitionResult: field(array(partitionResult), "0+"),
});

/** The response, in all its versions. */
export const electLeadersResponse = message({ apiKey: 43, versions: "0-2", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "1+", { default: 0, ignorable: true }),
  replicaElectionResults: field(array(replicaElectionResult), "0+"),
});

/** A decoded request. */
export type ElectLeadersRequest = Infer<typeof electLeadersRequest>;
/** A response to be encoded. */
export type ElectLeadersResponse = Encodable<typeof electLeadersResponse>;
