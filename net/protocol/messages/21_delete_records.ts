/**
 * DeleteRecords, API key 21: moves the log start (KIP-107). Plain data. Source: Kafka 4.3
 * DeleteRecordsRequest.json, DeleteRecordsResponse.json.
 *
 * v2 flexible (KIP-482).
 */
import { array, type Encodable, field, type Infer, int16, int32, int64, message, string, struct } from "../schema.ts";

const deleteRecordsPartition = struct({
  partitionIndex: field(int32, "0+"),
  offset: field(int64, "0+"),
});

const deleteRecordsTopic = struct({
  name: field(string, "0+"),
  partitions: field(array(deleteRecordsPartition), "0+"),
});

/** The request, in all its versions. */
export const deleteRecordsRequest = message({ apiKey: 21, versions: "0-2", flexible: "2+" }, {
  topics: field(array(deleteRecordsTopic), "0+"),
  timeoutMs: field(int32, "0+"),
});

const deleteRecordsPartitionResult = struct({
  partitionIndex: field(int32, "0+"),
  lowWatermark: field(int64, "0+"),
  errorCode: field(int16, "0+"),
});

const deleteRecordsTopicResult = struct({
  name: field(string, "0+"),
  partitions: field(array(deleteRecordsPartitionResult), "0+"),
});

/** The response, in all its versions. */
export const deleteRecordsResponse = message({ apiKey: 21, versions: "0-2", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  topics: field(array(deleteRecordsTopicResult), "0+"),
});

/** What a client asks. */
export type DeleteRecordsRequest = Infer<typeof deleteRecordsRequest>;
/** One topic of it. */
export type DeleteRecordsTopic = Infer<typeof deleteRecordsTopic>;
/** One partition of that: the new log start, -1 for the high watermark. */
export type DeleteRecordsPartition = Infer<typeof deleteRecordsPartition>;
/** What the broker answers. */
export type DeleteRecordsResponse = Encodable<typeof deleteRecordsResponse>;
/** One topic's part of the answer. */
export type DeleteRecordsTopicResult = Encodable<typeof deleteRecordsTopicResult>;
/** One partition's part of it. */
export type DeleteRecordsPartitionResult = Encodable<typeof deleteRecordsPartitionResult>;
