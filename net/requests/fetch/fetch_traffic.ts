/** Counts what a Fetch request read of a partition. Runs on shards. Source: Kafka's ReplicaManager.readFromLog. */
import type { PartitionTraffic } from "../../../partitions/mod.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { FetchPart } from "./fetch_part.ts";

/** What clients may expect, which Kafka does not count as a failure. */
const EXPECTED: readonly number[] = [
  errorCode.NONE,
  errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  errorCode.NOT_LEADER_OR_FOLLOWER,
  errorCode.UNKNOWN_LEADER_EPOCH,
  errorCode.FENCED_LEADER_EPOCH,
  errorCode.REPLICA_NOT_AVAILABLE,
  errorCode.KAFKA_STORAGE_ERROR,
  errorCode.OFFSET_OUT_OF_RANGE,
  errorCode.INCONSISTENT_TOPIC_ID,
  errorCode.TOPIC_AUTHORIZATION_FAILED,
];

/** Counts one partition of an answer. @param code its error code @param isFollower whether another broker follows it */
export function countFetched(
  traffic: PartitionTraffic,
  { place, outcome }: FetchPart,
  code: number,
  isFollower: boolean,
): void {
  if (place === null || place.slot < 0) return;
  traffic.fetched(place.slot, EXPECTED.includes(code) ? "done" : "failed", outcome.length, isFollower);
}
