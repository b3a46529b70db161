/**
 * What the main isolate and the store's worker post to each other. Plain data.
 */
import type { Snapshot, StoreChange, StoredEntry, Transaction, TransactionResult } from "./store.ts";

/** Requests by name; each is answered once, in order. */
export interface StoreCalls {
  /** Opens the file, and creates it when it does not exist. Always the first request. */
  open: { args: { path: string }; result: null };
  get: { args: { key: string }; result: StoredEntry | null };
  range: { args: { prefix: string }; result: StoredEntry[] };
  snapshot: { args: { prefix: string }; result: Snapshot };
  transact: { args: Transaction; result: TransactionResult };
  grantLease: { args: { ttlMs: number }; result: number };
  keepAlive: { args: { lease: number }; result: boolean };
  revokeLease: { args: { lease: number }; result: null };
  /** Closes the file. Always the last request. */
  close: { args: null; result: null };
}

/** Name of a request. */
export type StoreCallName = keyof StoreCalls;

/** Main isolate to worker. */
export interface StoreRequest {
  readonly id: number;
  readonly name: StoreCallName;
  readonly args: unknown;
}

/** Worker to main isolate. Changes are posted before the answer to the request that made them. */
export type StoreReply =
  | { readonly type: "result"; readonly id: number; readonly result: unknown }
  /** `fatal`: the file or the disk is damaged, and the worker answers no more requests. */
  | { readonly type: "failure"; readonly id: number; readonly message: string; readonly fatal: boolean }
  | { readonly type: "changes"; readonly changes: readonly StoreChange[]; readonly version: number };
