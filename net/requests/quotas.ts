/**
 * Counts what connections use, and says how long they must pause for it. There are no quotas yet, so no client pauses. Runs on shards.
 *
 * The router counts every request, and the bytes of requests whose row declares it. A handler counts what only it knows. The answer
 * carries the longest of these pauses.
 *
 * Source of the kinds: Kafka's ClientQuotaManager, ClientRequestQuotaManager and ControllerMutationQuotaManager
 * (KIP-124, KIP-599).
 */

/** What is counted: bytes in, bytes out, requests, partitions created or deleted. */
export type QuotaKind = "produce" | "fetch" | "request" | "controller-mutation";

/** Quotas of a connection. */
export interface Quotas {
  /**
   * Counts use.
   * @param amount bytes for produce and fetch, otherwise requests or partitions
   * @returns how long the client must pause in ms, 0 for not at all
   */
  charge(kind: QuotaKind, amount: number): number;
}

/** Quotas of a broker without any. */
export const noQuotas: Quotas = { charge: () => 0 };
