/**
 * The metadata store as the control plane sees it: keys to values, changed by transactions that compare first. Behind it stands
 * SQLite on one machine (sqlite_store.ts); the shape is that of etcd, for when there are several brokers. Used on the
 * main isolate; nothing here blocks.
 *
 * Always: a settled transaction is durable; a value read carries the version that a later compare needs; a version is never
 * used twice, not even by a key that was deleted and set again.
 */

/** Version of a key that does not exist. */
export const ABSENT = 0;

/** A key with its value. Keys are printable ASCII, their parts parted by "/"; values are text without NUL. */
export interface StoredEntry {
  readonly key: string;
  readonly value: string;
  /** Number of the transaction that wrote it. */
  readonly version: number;
}

/** What must hold for a transaction to happen. */
export interface Comparison {
  readonly key: string;
  /** The version that was read, or ABSENT. */
  readonly version: number;
}

/** A write. */
export interface Assignment {
  readonly key: string;
  readonly value: string;
  /** Id of a lease with which the key goes. */
  readonly lease?: number;
}

/** A change: all of it when every comparison holds, else nothing. */
export interface Transaction {
  readonly compare?: readonly Comparison[];
  readonly set?: readonly Assignment[];
  readonly delete?: readonly string[];
}

/** How a transaction ended. */
export type TransactionResult =
  /** Durable; every key that was set has this version now. */
  | { readonly committed: true; readonly version: number }
  /** Nothing happened, because these keys have other versions. */
  | { readonly committed: false; readonly conflicts: readonly string[] };

/** One change that a watcher is told of. */
export type StoreChange = StoredEntry | { readonly key: string; readonly deleted: true };

/** A promise to be alive: its keys are deleted when it is not kept alive, or revoked, or when its holder is gone. */
export interface Lease {
  readonly id: number;
  /** Prolongs it by its time to live. @returns false when it had ended already: its keys are gone */
  keepAlive(): Promise<boolean>;
  /** Ends it and deletes its keys. */
  revoke(): Promise<void>;
}

/** The store. Every promise rejects with a MetadataStoreError when the store cannot answer. */
export interface MetadataStore {
  /** Reads one key. */
  get(key: string): Promise<StoredEntry | null>;
  /** Reads all keys that begin so, in the order of their bytes, as of one moment. @param prefix "" for everything */
  range(prefix: string): Promise<StoredEntry[]>;
  /** Changes keys. Settles when the change is durable, or has not happened. */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /**
   * Tells of every change to keys that begin so, one call per transaction, in order, from now on.
   * @returns ends the watch when disposed
   */
  watch(prefix: string, changed: (changes: readonly StoreChange[]) => void): Disposable;
  /** Grants a lease. @param ttlMs how long it lives without `keepAlive()` */
  grantLease(ttlMs: number): Promise<Lease>;
  /** Ends the store; what was asked before is done first. Idempotent. */
  close(): Promise<void>;
}

/** The store cannot be opened, read or written. The message says what to do. */
export class MetadataStoreError extends Error {
  override name = "MetadataStoreError";
}
