/**
 * DescribeLogDirs, API key 35. Plain data. Source: Kafka 4.3 DescribeLogDirsRequest.json, DescribeLogDirsResponse.json.
 *
 * v1 (KIP-113, KIP-219) · v2 flexible (KIP-482) · v3 error of the whole answer (KIP-784) · v4 bytes of the volume (KIP-827) · v5 cordoned
 * log directories (KIP-1066).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
} from "../schema.ts";

/** The request, in all its versions. */
export const describeLogDirsRequest = message({ apiKey: 35, versions: "1-5", flexible: "2+" }, {
  topics: field( // null = all
    array(struct({
      topic: field(string, "0+"),
      partitions: field(array(int32), "0+"),
    })),
    "0+",
    { nullable: "0+" },
  ),
});

const describeLogDirsTopic = struct({
  name: field(string, "0+"),
  partitions: field(
    array(struct({
      partitionIndex: field(int32, "0+"),
      partitionSize: field(int64, "0+"), // bytes of the log's segment files
      offsetLag: field(int64, "0+"), // of the log end behind the high watermark
      isFutureKey: field(bool, "0+"), // a copy that AlterReplicaLogDirs makes
    })),
    "0+",
  ),
});

/** The response, in all its versions. */
export const describeLogDirsResponse = message({ apiKey: 35, versions: "1-5", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "3+", { default: 0, ignorable: true }),
  results: field(
    array(struct({
      errorCode: field(int16, "0+"),
      logDir: field(string, "0+"), // absolute path
      topics: field(array(describeLogDirsTopic), "0+"),
      totalBytes: field(int64, "4+", { default: -1, ignorable: true }), // of the volume
      usableBytes: field(int64, "4+", { default: -1, ignorable: true }),
      isCordoned: field(bool, "5+", { default: false, ignorable: true }),
    })),
    "0+",
  ),
});

/** What a client asks. */
export type DescribeLogDirsRequest = Infer<typeof describeLogDirsRequest>;
/** What the broker answers. */
export type DescribeLogDirsResponse = Encodable<typeof describeLogDirsResponse>;
/** The logs of one topic in it. */
export type DescribeLogDirsTopic = Encodable<typeof describeLogDirsTopic>;
