/**
 * The interface of the metadata store: keys and values, changed by transactions that compare versions first. One machine implements it
 * with SQLite (sqlite_store.ts), several brokers share etcd (etcd/etcd_store.ts). Used on the main isolate; no call blocks.
 *
 * Always: a committed transaction is durable, and was applied once. A value that was read carries the version for a later comparison. No
 * version is used twice, not even by a key that was deleted and set again. `store_contract_testing.ts` has the cases that every store must
 * pass.
 */

/** Version of a key that does not exist. */
export const ABSENT = 0;

/**
 * A key with its value. Keys are printable ASCII, with "/" between their parts, and do not begin with "~"; values are text without NUL
 * (stored_text.ts).
 */
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
  /** It is durable; every key that was set now has this version. */
  | { readonly outcome: "committed"; readonly version: number }
  /** Nothing changed and nothing will, because these keys have other versions, or would belong to a lease that has ended. */
  | { readonly outcome: "refused"; readonly conflicts: readonly string[] }
  /** The store does not answer, and may commit it yet. `resolve()` finds out; the transaction must not be sent anew before. */
  | { readonly outcome: "unknown"; readonly id: string };

/** One change, as a watcher gets it. */
export type StoreChange = StoredEntry | { readonly key: string; readonly deleted: true };

/** All entries with a prefix at one moment. */
export interface Snapshot {
  /** Version of the last transaction before that moment: a watch from it continues without a gap. */
  readonly version: number;
  /** Ordered by the bytes of their keys. */
  readonly entries: readonly StoredEntry[];
}

/** What a watch calls. It must not throw: the isolate, or the store, would end. */
export interface StoreWatcher {
  /** A committed transaction has changed keys with the prefix. Called in the order of the versions, once for each. */
  changed(changes: readonly StoreChange[], version: number): void;
  /**
   * The single changes up to this snapshot are not known: the store keeps only the latest ones. The watcher compares the snapshot with
   * what it knows, and gets every later change by `changed()`.
   */
  reset(snapshot: Snapshot): void;
}

/** A lease: its keys are deleted when it expires, is revoked, or its holder has ended. */
export interface Lease {
  /** For `Assignment.lease`, in this store alone. */
  readonly id: number;
  /** How long it lives without `keepAlive()`; a store may grant more than was asked for. */
  readonly ttlMs: number;
  /** Renews the lease for its time to live. @returns false when it had ended already: its keys were deleted */
  keepAlive(): Promise<boolean>;
  /** Ends it and deletes its keys. */
  revoke(): Promise<void>;
}

/** The largest transaction that a store takes. Larger changes are divided by who makes them: only he knows what must stand together. */
export interface StoreLimits {
  /** Comparisons of a transaction, and likewise keys that it sets or deletes. */
  readonly transactionKeysMax: number;
  /** Bytes of the keys and values of a transaction. */
  readonly transactionBytesMax: number;
}

/**
 * The store. Every promise rejects with a MetadataRefusedError when that request alone was refused and changed nothing, and with another
 * MetadataStoreError when the store cannot answer any more.
 */
export interface MetadataStore {
  /** The largest transaction; a larger one is refused. */
  readonly limits: StoreLimits;
  /** Reads one key. */
  get(key: string): Promise<StoredEntry | null>;
  /** Reads all keys with a prefix, ordered by their bytes, at one moment. @param prefix "" for all keys */
  range(prefix: string): Promise<StoredEntry[]>;
  /** Reads all keys with a prefix as `range()` does, with the version from which a watch continues. */
  snapshot(prefix: string): Promise<Snapshot>;
  /** Changes keys. Settles when the change is durable, was refused, or when the store has not answered in time. */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /**
   * Finds out how a transaction of unknown outcome has ended. When it has not been committed, it never will be: then its outcome is
   * "refused", without conflicts. Asked for again while the outcome stays "unknown"; each id has one definite answer.
   * @param id of the result of `transact()`
   */
  resolve(id: string): Promise<TransactionResult>;
  /**
   * Reports every change to keys with a prefix, one call per transaction, in order; which one comes first, the call or the answer to the
   * transaction, is not said.
   * @param from version of a snapshot whose later changes are reported; without it, those from now on
   * @returns ends the watch when disposed
   * @throws MetadataStoreError when the store cannot answer any more, or has too many watches
   */
  watch(prefix: string, watcher: StoreWatcher, from?: number): Disposable;
  /** Grants a lease. @param ttlMs how long it lives without `keepAlive()` */
  grantLease(ttlMs: number): Promise<Lease>;
  /** Closes the store after all earlier requests were answered. Idempotent. */
  close(): Promise<void>;
}

/** The versions of all keys with a prefix at one moment. */
export interface KeyVersions {
  /** Version of the last transaction before that moment. */
  readonly version: number;
  readonly versions: ReadonlyMap<string, number>;
}

/** A store whose watch may lose changes: it also reads versions without values. */
export interface VersionsReader {
  /** Reads the versions of all keys with a prefix. Rejects as requests to the store do. */
  versions(prefix: string): Promise<KeyVersions>;
}

/** The store cannot be opened, read or written. The message names the remedy. */
export class MetadataStoreError extends Error {
  override name = "MetadataStoreError";
}

/** One request was refused: the disk is full, or etcd does not answer. Nothing changed, and the store goes on: a later one may succeed. */
export class MetadataRefusedError extends MetadataStoreError {
  override name = "MetadataRefusedError";
}
