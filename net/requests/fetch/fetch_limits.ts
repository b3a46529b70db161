/**
 * How much a fetch may answer with, and the memory that it takes while it waits. Pure; runs on shards.
 */
import type { BrokerConfig } from "../../../partitions/config/broker/broker_config.ts";
import type { FetchRequest } from "../../protocol/messages/01_fetch.ts";
import type { ConnectionContext } from "../connection_context.ts";

/** Most bytes of records in a response, whatever `fetch.max.bytes` says: its size is an int32, and the other fields need room. */
const RESPONSE_RECORDS_BYTES_MAX = 1 << 30;

/** Most bytes of records that the answer to a fetch may have. More than the client's quota can save up would always have to wait. */
export function fetchBytesMax(
  { maxBytes }: FetchRequest,
  { fetchMaxBytes }: Pick<BrokerConfig, "fetchMaxBytes">,
  context: ConnectionContext,
): number {
  // With 0 bytes a fetch would never wait for records.
  const ofQuota = Math.max(1, context.quotas.fetchBytesMax(context));
  return Math.min(maxBytes, fetchMaxBytes, RESPONSE_RECORDS_BYTES_MAX, ofQuota);
}

/** Memory of a waiting fetch: itself, and for each partition its watch, and its interest unless a session holds that. */
const OPERATION_BYTES = 1024;
const SESSION_PARTITION_BYTES = 64;
const OWN_PARTITION_BYTES = 256;

/** Bytes of memory that a fetch takes while it waits. @param hasSession whether a session holds its interests */
export function waitingBytes(partitionsCount: number, hasSession: boolean): number {
  return OPERATION_BYTES + partitionsCount * (hasSession ? SESSION_PARTITION_BYTES : OWN_PARTITION_BYTES);
}
