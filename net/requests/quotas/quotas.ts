/**
 * What connections are charged for, and how long they pause for it. Runs on shards.
 *
 * The router charges the bytes of requests whose row declares it, an exchange the time that its request took, and the fetch its records.
 * The answer says how long to pause (the longest of the pauses), leaves at once, and the connection reads no further request for that time
 * (KIP-219). Changes of topics are charged where they are made, on the main isolate (partitions/quotas/mutation_quotas.ts).
 *
 * Source of the kinds: Kafka's ClientQuotaManager and ClientRequestQuotaManager (KIP-124).
 */
import type { Sharers } from "../../../partitions/mod.ts";

/** What is charged: bytes in, bytes out, microseconds of the shard's thread. */
export type QuotaKind = "produce" | "fetch" | "request";

/** Whom a connection is charged as, while its client id and the quotas stay the same. */
export interface ClientRates {
  readonly principal: string;
  readonly clientId: string;
  /** Number of the quotas that they were found in. */
  readonly version: number;
  /** By kind; null where the client has no quota. */
  readonly rates: Readonly<Record<QuotaKind, SharedRate | null>>;
}

/** The rate of a client, and the others that share it. */
export interface SharedRate {
  readonly sharers: Sharers;
  readonly perSecond: number;
}

/** Whose use is charged. */
export interface ChargedClient {
  readonly principal: string;
  readonly clientId: string;
  /** Node id of the broker that the client is; brokers are not charged. */
  readonly brokerId: number | null;
  /** Owned by the quotas: what they last found for this client. */
  clientRates: ClientRates | null;
}

/** The quotas of clients. */
export interface Quotas {
  /** Charges use. @param amount bytes, or microseconds @returns how long the client must pause in ms, 0 for not at all */
  charge(client: ChargedClient, kind: QuotaKind, amount: number): number;
  /** Charges use that can wait, if it need not wait. @returns how long it must, in ms; 0: it was charged */
  tryCharge(client: ChargedClient, kind: QuotaKind, amount: number): number;
  /** Most bytes that a fetch may answer with: more would always have to wait. */
  fetchBytesMax(client: ChargedClient): number;
  /** Whether nobody has one. */
  readonly isEmpty: boolean;
  /** Whether anybody's requests are charged for their time, so that it has to be measured. */
  readonly measuresTime: boolean;
  /** Time for measurements, in microseconds. */
  nowUs(): number;
}

/** Quotas of nobody. */
export const noQuotas: Quotas = {
  charge: () => 0,
  tryCharge: () => 0,
  fetchBytesMax: () => Infinity,
  isEmpty: true,
  measuresTime: false,
  nowUs: () => 0,
};
