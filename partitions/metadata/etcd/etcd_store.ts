/**
 * The metadata store of several brokers: etcd, by its JSON gateway. Runs on the main isolate, which loads it only for a broker with etcd
 * (store/etcd_on_demand.ts).
 *
 * Keys stand below a prefix of their own; what the store keeps for itself begins with "~" there (slot_requests.ts). A request that etcd
 * refuses, or does not answer, is refused alone. An etcd that must not be used (another cluster, restored from a backup, a broken version,
 * keys that another process uses) ends the store: all later requests are rejected with the same sentence.
 *
 * Decide by transactions, never by reads: reads of some versions of etcd may be older than what was committed (etcd_position.ts).
 */
import { randomUuid } from "../../../storage/base/uuid.ts";
import {
  type KeyVersions,
  type Lease,
  MetadataRefusedError,
  type MetadataStore,
  MetadataStoreError,
  type Snapshot,
  type StoredEntry,
  type StoreLimits,
  type StoreWatcher,
  type Transaction,
  type TransactionResult,
  type VersionsReader,
} from "../store/store.ts";
import { type EtcdAccess, EtcdClient } from "./etcd_client.ts";
import { EtcdLeases } from "./etcd_leases.ts";
import { type EtcdLimits, etcdLimits, TRANSACTION_BYTES_MAX, TRANSACTION_KEYS_MAX } from "./etcd_limits.ts";
import { type EtcdMemory, EtcdPosition } from "./etcd_position.ts";
import { EtcdReads } from "./etcd_reads.ts";
import { EtcdTransactions } from "./etcd_transactions.ts";
import { EtcdWatch, type WatchCounts } from "./etcd_watch.ts";
import { GatewayFailure, refusing } from "./gateway_failure.ts";

/** How a store is opened. */
export interface EtcdStoreOptions extends EtcdAccess {
  /** Before all keys: "/barnabas/". */
  readonly prefix: string;
  /** Name of the broker. A process that is registered for it ends the stores of others with this name by `claim()`. */
  readonly owner: string;
  /** What the broker knows of its etcd from an earlier start; null at the first one. */
  readonly memory?: EtcdMemory | null;
  readonly limits?: Partial<EtcdLimits>;
  /** Called once, when the store has failed for good. */
  readonly failed?: (error: MetadataStoreError) => void;
  /** Gets a sentence for the operator. */
  readonly report?: (sentence: string) => void;
}

/** The store. */
export class EtcdStore implements MetadataStore, VersionsReader {
  readonly limits: StoreLimits = {
    transactionKeysMax: TRANSACTION_KEYS_MAX,
    transactionBytesMax: TRANSACTION_BYTES_MAX,
  };
  /** What the watches have met. */
  readonly watchCounts: Readonly<WatchCounts>;
  readonly #options: EtcdStoreOptions;
  readonly #limits: EtcdLimits;
  readonly #position: EtcdPosition;
  readonly #client: EtcdClient;
  readonly #reads: EtcdReads;
  readonly #leases: EtcdLeases;
  readonly #transactions: EtcdTransactions;
  readonly #counts: WatchCounts = { streams: 0, resets: 0 };
  readonly #watches = new Map<EtcdWatch, Promise<void>>();
  readonly #pending = new Set<Promise<unknown>>();
  #failure: MetadataStoreError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: EtcdStoreOptions) {
    const { prefix, owner } = options;
    const limits = this.#limits = { ...etcdLimits, ...options.limits };
    this.#options = options;
    this.watchCounts = this.#counts;
    this.#position = new EtcdPosition(options.memory ?? null);
    const { report = () => {} } = options;
    const client = this.#client = new EtcdClient(options, { position: this.#position, limits, report });
    const leases = this.#leases = new EtcdLeases(client, { limits });
    this.#reads = new EtcdReads({ client, prefix, limits });
    const slotOwner = { prefix, owner, session: randomUuid() };
    this.#transactions = new EtcdTransactions({ client, owner: slotOwner, limits, leases });
  }

  /**
   * Opens the store.
   * @throws MetadataStoreError when no etcd answers, or this one cannot be used
   */
  static async open(options: EtcdStoreOptions): Promise<EtcdStore> {
    if (!/^(\/[\w.-]+)+\/$/.test(options.prefix)) {
      throw new MetadataStoreError(`"${options.prefix}" is no prefix of keys in etcd; it looks like /barnabas/`);
    }
    if (!/^[\w.-]+$/.test(options.owner)) throw new MetadataStoreError(`"${options.owner}" is no name of a broker`);
    const store = new EtcdStore(options);
    try {
      await refusing(store.#transactions.currentRevision(), "use");
      await refusing(store.#transactions.own(), "use");
      return store;
    } catch (error) {
      store.#client[Symbol.dispose]();
      throw unanswered(error, options.endpoints);
    }
  }

  /** What the broker should remember of its etcd for the next start. */
  get memory(): EtcdMemory {
    return this.#position.memory;
  }

  /**
   * Ends the stores that other processes have with the same owner: this one has the broker's place. They have ended, unless they were
   * paused or cut off.
   * @throws MetadataStoreError when the store has failed
   */
  claim(): Promise<void> {
    return this.#call(() => this.#transactions.claim());
  }

  get(key: string): Promise<StoredEntry | null> {
    return this.#call(() => this.#reads.get(key));
  }

  async range(prefix: string): Promise<StoredEntry[]> {
    const { entries } = await this.snapshot(prefix);
    return [...entries];
  }

  snapshot(prefix: string): Promise<Snapshot> {
    return this.#call(() => this.#reads.snapshot(prefix));
  }

  versions(prefix: string): Promise<KeyVersions> {
    return this.#call(() => this.#reads.versions(prefix));
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    return this.#call(() => this.#transactions.transact(transaction));
  }

  resolve(id: string): Promise<TransactionResult> {
    return this.#call(() => this.#transactions.resolve(id));
  }

  /** @throws MetadataStoreError when the store has failed, or has too many watches */
  watch(prefix: string, watcher: StoreWatcher, from: number = this.#position.revision): Disposable {
    if (this.#failure !== null) throw this.#failure;
    const { watchesMax } = this.#limits;
    if (this.#watches.size >= watchesMax) throw new MetadataStoreError(`${watchesMax} watches of etcd are the most`);
    const watch = new EtcdWatch(from, {
      client: this.#client,
      position: this.#position,
      limits: this.#limits,
      storePrefix: this.#options.prefix,
      prefix,
      watcher,
      snapshot: (prefix) => this.#reads.snapshot(prefix),
      currentRevision: () => this.#transactions.currentRevision(),
      counts: this.#counts,
    });
    this.#watches.set(watch, this.#run(watch));
    return watch;
  }

  grantLease(ttlMs: number): Promise<Lease> {
    return this.#call(async () => {
      const lease = await this.#leases.grant(ttlMs);
      return {
        id: lease.id,
        ttlMs: lease.ttlMs,
        keepAlive: () => this.#call(() => lease.keepAlive()),
        revoke: () => this.#call(() => lease.revoke()),
      };
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const hasFailed = this.#failure !== null;
    this.#failure ??= new MetadataStoreError("The metadata store is closed");
    for (const watch of this.#watches.keys()) watch[Symbol.dispose]();
    await Promise.allSettled([...this.#pending, ...this.#watches.values()]);
    if (!hasFailed) await Promise.all([this.#leases.revokeAll(), this.#transactions.leave()]);
    this.#client[Symbol.dispose]();
  }

  /** Makes a request, unless the store has failed. */
  #call<T>(request: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const answer = this.#observe(request);
    this.#pending.add(answer);
    const forget = () => void this.#pending.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  async #observe<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      this.#judge(error);
      throw error;
    }
  }

  async #run(watch: EtcdWatch): Promise<void> {
    try {
      await watch.run();
    } catch (error) {
      this.#judge(error);
    } finally {
      this.#watches.delete(watch);
    }
  }

  /** Ends the store by any error but the refusal of one request. */
  #judge(error: unknown): void {
    if (error instanceof MetadataRefusedError || this.#failure !== null) return;
    const failure = error instanceof MetadataStoreError
      ? error
      : new MetadataStoreError(`The metadata store failed: ${error}`, { cause: error });
    this.#failure = failure;
    this.#transactions.refuseAll(failure);
    this.#reads.refuseAll(failure);
    for (const watch of this.#watches.keys()) watch[Symbol.dispose]();
    this.#options.failed?.(failure);
  }
}

/** The reason why an open failed, with the remedy where no member has answered as an etcd does. */
function unanswered(error: unknown, endpoints: readonly string[]): unknown {
  const { message, cause } = error as Error;
  if (!(cause instanceof GatewayFailure) || cause.kind === "refused") return error;
  const addresses = endpoints.join(", ");
  return new MetadataRefusedError(`${message}. Start etcd at ${addresses}, or name its addresses with --etcd`, {
    cause,
  });
}
