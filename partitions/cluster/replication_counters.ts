/**
 * What this broker's metrics say of replication, by the names of Kafka's. The main isolate; counted when the image changes, or when asked:
 * requests of clients cost nothing more. How far followers lag is known to the shards (ISOLATE.followerLag in shared/words.ts).
 *
 * ```
 *   UnderReplicatedPartitions, UnderMinIsrPartitionCount    led here                  replication()
 *   OfflinePartitionsCount                                  of the cluster            replication()
 *   LeaderElectionRateAndTimeMs, UncleanLeaderElections     of the cluster            cleanElections, uncleanElections
 *   IsrShrinksPerSec, IsrExpandsPerSec                      led here                  isrShrinks, isrExpands
 *   of our own: transactions of the membership              by this broker            transactions
 *               how far the image is behind the store       as far as is known here   imageLag
 * ```
 *
 * Counts begin with the process, and wrap at 2^53: only differences count. Source: Kafka's ReplicaManager and ControllerMetrics.
 */
import type { MetadataStore, TransactionResult } from "../metadata/store/store.ts";
import type { LiveImage } from "./live_image.ts";
import { NO_LEADER, type PartitionRow } from "./partition_row.ts";

/** Partitions by what they lack. */
export interface ReplicationGauges {
  /** That this broker leads. */
  readonly led: number;
  /** Of them, those with a replica that is not in sync. */
  readonly underReplicated: number;
  /** Of them, those to which acks=all cannot be written. */
  readonly underMinIsr: number;
  /** Of the cluster, those that nobody leads. */
  readonly offline: number;
}

/** What a membership uses of the store. */
export type CountedStore = Pick<MetadataStore, "transact" | "resolve" | "limits" | "grantLease">;

/** How transactions ended. One of unknown outcome is counted again when that is known. */
export type TransactionCounts = Record<TransactionResult["outcome"], number>;

/** The counters. */
export class ReplicationCounters implements Disposable {
  /** Leaders that were chosen among in-sync or eligible replicas. */
  cleanElections = 0;
  /** Leaders that may have lost records. */
  uncleanElections = 0;
  /** Changes that took a replica out of an in-sync set. */
  isrShrinks = 0;
  /** Changes that added one. */
  isrExpands = 0;
  readonly #counts: TransactionCounts = { committed: 0, refused: 0, unknown: 0 };
  readonly #image: Pick<LiveImage, "partitions" | "revision">;
  readonly #broker: number;
  readonly #following: Disposable;
  /** The rows before the next change. */
  readonly #rows = new Map<string, PartitionRow>();
  #committedVersion = 0;

  /** @param image that the store's watch tells @param broker node id of this one */
  constructor(image: Pick<LiveImage, "partitions" | "revision" | "follow">, broker: number) {
    this.#image = image;
    this.#broker = broker;
    for (const [partition, { row }] of image.partitions) this.#rows.set(partition, row);
    this.#following = image.follow(({ partitions }) => {
      for (const partition of partitions) this.#rowChanged(partition);
    });
  }

  /** How the transactions of a counted store ended. */
  get transactions(): Readonly<TransactionCounts> {
    return this.#counts;
  }

  /** Revisions of the store by which the image is behind the last transaction of this broker. */
  get imageLag(): number {
    return Math.max(0, this.#committedVersion - this.#image.revision);
  }

  /** Counts partitions: looks at all of them. */
  replication(): ReplicationGauges {
    const found = { led: 0, underReplicated: 0, underMinIsr: 0, offline: 0 };
    for (const { row: { leader, isr, replicas, minIsr } } of this.#image.partitions.values()) {
      if (leader === NO_LEADER) found.offline++;
      if (leader !== this.#broker) continue;
      found.led++;
      if (isr.length < replicas.length) found.underReplicated++;
      if (isr.length < minIsr) found.underMinIsr++;
    }
    return found;
  }

  /** The same store, whose transactions are counted. */
  counted(store: CountedStore): CountedStore {
    return {
      limits: store.limits,
      grantLease: (ttlMs) => store.grantLease(ttlMs),
      transact: async (transaction) => this.#ended(await store.transact(transaction)),
      resolve: async (id) => this.#ended(await store.resolve(id)),
    };
  }

  /** Counts no more changes. Idempotent. */
  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
    this.#rows.clear();
  }

  #ended(result: TransactionResult): TransactionResult {
    this.#counts[result.outcome]++;
    if (result.outcome === "committed") this.#committedVersion = Math.max(this.#committedVersion, result.version);
    return result;
  }

  #rowChanged(partition: string): void {
    const before = this.#rows.get(partition);
    const row = this.#image.partitions.get(partition)?.row;
    if (row === undefined) return void this.#rows.delete(partition);
    this.#rows.set(partition, row);
    if (before === undefined) return; // a new partition has its first leader without an election
    if (row.leaderEpoch > before.leaderEpoch && row.leader !== NO_LEADER) {
      if (row.recovering && !before.recovering) this.uncleanElections++;
      else this.cleanElections++;
    }
    if (row.leader !== this.#broker) return;
    if (before.isr.some((broker) => !row.isr.includes(broker))) this.isrShrinks++;
    if (row.isr.some((broker) => !before.isr.includes(broker))) this.isrExpands++;
  }
}
