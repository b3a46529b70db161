/**
 * Every limit of the etcd store: time, attempts, memory. Plain data. A store is opened with these; tests open theirs with other times.
 */

/** Times in milliseconds, sizes in bytes. */
export interface EtcdLimits {
  /**
   * One attempt of a request. A request that was forwarded to a leader that died gets no answer at all, and the same request to another
   * member is answered at once.
   */
  readonly attemptMs: number;
  /** One attempt to log in: etcd hashes the password, which takes 0.1 s of a core with its default settings. */
  readonly loginMs: number;
  /** One attempt to read a page of keys, which may be megabytes. */
  readonly pageMs: number;
  /** All attempts of a request, with the pauses between them: two elections. */
  readonly requestMs: number;
  /** The first pause before a request is repeated; each later pause is twice as long, up to `pauseMaxMs`. */
  readonly pauseMs: number;
  readonly pauseMaxMs: number;
  /** A watch that receives nothing for this long begins anew, at another member: its connection may be half open. */
  readonly watchSilenceMs: number;
  /** How long a new watch waits for etcd to accept it. */
  readonly watchStartMs: number;
  /** Transactions in flight. Each has a key of its own in etcd (transaction_slots.ts). */
  readonly slotsMax: number;
  /** Transactions that wait for a slot; further ones are refused. */
  readonly waitingTransactionsMax: number;
  /** Other requests in flight, and those that wait; further ones are refused. */
  readonly readsMax: number;
  readonly waitingReadsMax: number;
  /** Watches of one store. */
  readonly watchesMax: number;
  /** Leases of one store. */
  readonly leasesMax: number;
  /** Keys of a page; fewer when their values make it too large. */
  readonly pageKeysMax: number;
  /** An answer to a request. etcd's own limit of a value is 1.5 MiB, so a page of one key always fits. */
  readonly answerBytesMax: number;
  /** One message of a watch, which may have the changes of a thousand transactions. After a longer one the watch begins with a snapshot. */
  readonly watchMessageBytesMax: number;
  /** How often a read that compaction interrupted, or that a member answered from an older state, begins anew. */
  readonly readAttemptsMax: number;
}

/** The limits of a broker's store. */
export const etcdLimits: EtcdLimits = {
  attemptMs: 500,
  loginMs: 2000,
  pageMs: 3000,
  requestMs: 5000,
  pauseMs: 20,
  pauseMaxMs: 500,
  watchSilenceMs: 60_000,
  watchStartMs: 2000,
  slotsMax: 8,
  waitingTransactionsMax: 1024,
  readsMax: 8,
  waitingReadsMax: 1024,
  watchesMax: 16,
  leasesMax: 64,
  pageKeysMax: 2000,
  answerBytesMax: 16 * 1024 * 1024,
  watchMessageBytesMax: 64 * 1024 * 1024,
  readAttemptsMax: 5,
};

/**
 * etcd's own limits with its default settings. No request tells a member's real limits, and each member may have others, so the store does
 * not use more where etcd would allow it. Larger transactions would not be faster: 1,000 keys in 9 transactions, 4 at a time, take as long as
 * in one (0.1 s with three members).
 *
 * `--max-txn-ops` bounds comparisons, operations, and operations with those nested in one of them; a transaction needs one comparison, one
 * operation and one nested operation for its slot. `--max-request-bytes` bounds the request as gRPC encodes it: the rest is room for the
 * slot, and for the bytes around each key.
 */
export const ETCD_TRANSACTION_OPERATIONS_MAX = 128;
/** See above: comparisons, and likewise changed keys, of a store's transaction. */
export const TRANSACTION_KEYS_MAX = ETCD_TRANSACTION_OPERATIONS_MAX - 2;
/** See above: keys and values of a store's transaction. */
export const TRANSACTION_BYTES_MAX = 1.5 * 1024 * 1024 - 64 * 1024;
