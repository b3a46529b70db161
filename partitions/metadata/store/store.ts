/**
 * The interface of the metadata store: keys and values, changed by transactions that compare versions first. One machine implements it
 * with SQLite (sqlite_store.ts); the interface follows etcd, which several brokers could share. Used on the main isolate; no call blocks.
 *
 * Always: a settled transaction is durable. A value that was read carries the version for a later comparison. No version is used twice,
 * not even by a key that was deleted and set again.
 */

/** Version of a key that does not exist. */
export const ABSENT = 0;

/** A key with its value. Keys are printable ASCII, with "/" between their parts; values are text without NUL. */
export interface StoredEntry {
  readonly key: string;
  readonly value: string;
  /** Number of the transaction that wrote it. */
  readonly version: number;
}

/** A condition for a transaction. */
export interface Comparison {
  readonly key: string;
  /** The version that the key must have; ABSENT: it must not exist. */
  readonly version: number;
}

/** A write. */
export interface Assignment {
  readonly key: string;
  readonly value: string;
  /** Id of a lease; the key is deleted when the lease ends. */
  readonly lease?: number;
}

/** A change, applied in full if every comparison holds, and not at all otherwise. */
export interface Transaction {
  readonly compare?: readonly Comparison[];
  readonly set?: readonly Assignment[];
  readonly delete?: readonly string[];
}

/** How a transaction ended. */
export type TransactionResult =
  /** Committed and durable; every key that was set now has this version. */
  | { readonly committed: true; readonly version: number }
  /** Nothing changed, because these keys have other versions. */
  | { readonly committed: false; readonly conflicts: readonly string[] };

/** One change, as a watcher gets it. */
export type StoreChange = StoredEntry | { readonly key: string; readonly deleted: true };

/** A lease: its keys are deleted when it expires, is revoked, or its holder has ended. */
export interface Lease {
  readonly id: number;
  /** Renews the lease for its time to live. @returns false when it had ended already: its keys were deleted */
  keepAlive(): Promise<boolean>;
  /** Ends it and deletes its keys. */
  revoke(): Promise<void>;
}

/**
 * The store. Every promise rejects with a MetadataRefusedError when the disk refused that request alone, and with another
 * MetadataStoreError when the store cannot answer any more.
 */
export interface MetadataStore {
  /** Reads one key. */
  get(key: string): Promise<StoredEntry | null>;
  /** Reads all keys with a prefix, ordered by their bytes, at one moment. @param prefix "" for all keys */
  range(prefix: string): Promise<StoredEntry[]>;
  /** Changes keys. Settles when the change is durable, or was refused. */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /**
   * Reports every later change to keys with a prefix, one call per transaction, in order.
   * @returns ends the watch when disposed
   */
  watch(prefix: string, changed: (changes: readonly StoreChange[]) => void): Disposable;
  /** Grants a lease. @param ttlMs how long it lives without `keepAlive()` */
  grantLease(ttlMs: number): Promise<Lease>;
  /** Closes the store after all earlier requests were answered. Idempotent. */
  close(): Promise<void>;
}

/** The store cannot be opened, read or written. The message names the remedy. */
export class MetadataStoreError extends Error {
  override name = "MetadataStoreError";
}

/** The disk refused one request, for which it may be full. Nothing changed, and the store goes on: a later request may succeed. */
export class MetadataRefusedError extends MetadataStoreError {
  override name = "MetadataRefusedError";
}
