/**
 * What connections use, and how long they must pause for it. There are no quotas yet, so nobody pauses. Runs on shards.
 *
 * The router counts every request, and the bytes of those whose row says so; a handler counts what only it knows. The answer tells the
 * client the longest pause of these.
 *
 * Source of the kinds: Kafka's ClientQuotaManager, ClientRequestQuotaManager and ControllerMutationQuotaManager
 * (KIP-124, KIP-599).
 */

/** What is counted: bytes in, bytes out, requests, partitions created or deleted. */
export type QuotaKind = "produce" | "fetch" | "request" | "controller-mutation";

/** What a connection may use. */
export interface Quotas {
  /**
   * Counts use.
   * @param amount bytes of produce and fetch, requests, partitions
   * @returns how long the client must pause, ms; 0 = not at all
   */
  charge(kind: QuotaKind, amount: number): number;
}

/** Quotas of a broker that has none. */
export const noQuotas: Quotas = { charge: () => 0 };
