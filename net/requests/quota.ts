/**
 * What a connection has used, and how long it must pause for it: the one place every handler asks before it answers. There
 * are no quotas yet, so nobody pauses. Runs on shards.
 *
 * Source of the kinds: Kafka's ClientQuotaManager, ClientRequestQuotaManager and ControllerMutationQuotaManager
 * (KIP-124, KIP-599).
 */
import type { ConnectionContext } from "./handler.ts";

/** What is counted: bytes in, bytes out, requests, partitions created or deleted. */
export type QuotaKind = "produce" | "fetch" | "request" | "controller-mutation";

/**
 * Counts use.
 * @param _amount bytes of produce and fetch, requests, partitions
 * @returns the throttle time of the answer in milliseconds; 0 = none
 */
export function charge(_context: ConnectionContext, _kind: QuotaKind, _amount: number): number {
  return 0;
}
