/**
 * AlterReplicaLogDirs, API key 34 (KIP-113). Plain data. Source: Kafka 4.3 AlterReplicaLogDirsRequest.json,
 * AlterReplicaLogDirsResponse.json.
 *
 * v1 (KIP-219) · v2 flexible (KIP-482).
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const alterReplicaLogDirsRequest = message({ apiKey: 34, versions: "1-2", flexible: "2+" }, {
  dirs: field(
    array(struct({
      path: field(string, "0+"), // absolute
      topics: field(
        array(struct({
          name: field(string, "0+"),
          partitions: field(array(int32), "0+"),
        })),
        "0+",
      ),
    })),
    "0+",
  ),
});

const alterReplicaLogDirsTopicResult = struct({
  topicName: field(string, "0+"),
  partitions: field(
    array(struct({
      partitionIndex: field(int32, "0+"),
      errorCode: field(int16, "0+"),
    })),
    "0+",
  ),
});

/** The response, in all its versions. */
export const alterReplicaLogDirsResponse = message({ apiKey: 34, versions: "1-2", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  results: field(array(alterReplicaLogDirsTopicResult), "0+"),
});

/** A decoded request. */
export type AlterReplicaLogDirsRequest = Infer<typeof alterReplicaLogDirsRequest>;
/** A response to be encoded. */
export type AlterReplicaLogDirsResponse = Encodable<typeof alterReplicaLogDirsResponse>;
