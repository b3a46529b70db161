/**
 * Carries out a transaction of the store and finds out how it ended, however long that takes. Main isolate.
 */
import {
  MetadataRefusedError,
  type MetadataStore,
  type Transaction,
  type TransactionResult,
} from "../../metadata/store/store.ts";
import { type MembershipTime, pauseFor } from "./membership_time.ts";

/** A store that does not answer is asked again after this time. */
export const AGAIN_MS = 200;

/** What it works with. */
export interface OutcomeParts {
  readonly store: Pick<MetadataStore, "transact" | "resolve">;
  readonly time: MembershipTime;
  /** Whether nobody wants to know the outcome any more. */
  isClosed(): boolean;
}

/**
 * Carries out a transaction.
 * @returns how it ended; "unknown" only when nobody wants to know any more
 * @throws MetadataRefusedError when the store took nothing @throws MetadataStoreError when it has failed
 */
export async function definiteOutcome(transaction: Transaction, parts: OutcomeParts): Promise<TransactionResult> {
  const { store, time } = parts;
  let result = await store.transact(transaction);
  while (result.outcome === "unknown" && !parts.isClosed()) {
    try {
      result = await store.resolve(result.id);
    } catch (error) {
      if (!(error instanceof MetadataRefusedError)) throw error;
      await pauseFor(time, AGAIN_MS);
    }
  }
  return result;
}
