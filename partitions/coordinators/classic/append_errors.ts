/**
 * What a client of a group is told when the group's record could not be written. Pure; any isolate.
 *
 * Source: Kafka's GroupMetadataManager.appendGroupMetadataErrorToResponseError.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";

const told = new Map<number, number>([
  [errorCode.UNKNOWN_TOPIC_OR_PARTITION, errorCode.COORDINATOR_NOT_AVAILABLE],
  [errorCode.NOT_ENOUGH_REPLICAS, errorCode.COORDINATOR_NOT_AVAILABLE],
  [errorCode.REQUEST_TIMED_OUT, errorCode.COORDINATOR_NOT_AVAILABLE],
  [errorCode.NOT_LEADER_OR_FOLLOWER, errorCode.NOT_COORDINATOR],
  [errorCode.KAFKA_STORAGE_ERROR, errorCode.NOT_COORDINATOR],
  [errorCode.MESSAGE_TOO_LARGE, errorCode.UNKNOWN_SERVER_ERROR],
  [errorCode.RECORD_LIST_TOO_LARGE, errorCode.UNKNOWN_SERVER_ERROR],
  [errorCode.INVALID_FETCH_SIZE, errorCode.UNKNOWN_SERVER_ERROR],
]);

/** @param code why the append was refused @returns the code for the client */
export function groupAppendError(code: number): number {
  return told.get(code) ?? code;
}
