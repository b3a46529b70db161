/**
 * Has rows of a shared store name other log directories of this broker: where a partition has moved, where it begins, and that it has lost
 * its log. Main isolate.
 *
 * Always: each change is a compare-and-set of the row as it stands, and makes its partition epoch grow. A row that other brokers have
 * changed meanwhile is looked at anew.
 * Source: Kafka's AssignReplicasToDirs (KIP-858).
 */
import { type ClusterPartitionRow, partitionRowOf } from "../../cluster/cluster_rows.ts";
import { pause } from "../etcd/pause.ts";
import { directoryOf } from "../found_directories.ts";
import type { PartitionImage, TopicImage } from "../image.ts";
import { LOST_DIRECTORY, partitionRowKey, PARTITIONS } from "../records.ts";
import { MetadataRefusedError, MetadataStoreError } from "../store/store.ts";
import type { TopicTable } from "../topic_table.ts";
import { type HomelessPartition, mayBeginAnew } from "./shared_image.ts";
import { correctRows, type SharedLoadingParts, withDirectory } from "./shared_loading.ts";

/** How often a row is named anew, because others change it. */
const TRIES_MAX = 20;
/** After this time a store that did not take that a log directory has failed is asked again. */
const AGAIN_MS = 5000;

/** What it works with. */
export interface OwnDirectoriesParts extends SharedLoadingParts {
  readonly table: TopicTable;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  /** The broker has to end. */
  readonly failed: (error: unknown) => void;
}

/** The rows' log directories of one broker. */
export class OwnDirectories implements Disposable {
  readonly #parts: OwnDirectoriesParts;
  readonly #ended = new AbortController();

  /** @param parts of this broker's changes */
  constructor(parts: OwnDirectoriesParts) {
    this.#parts = parts;
  }

  /**
   * Gives partitions a log directory that is online: new ones, because other brokers do not know which directories of this one have failed, and
   * those that have to be fetched from their leaders.
   */
  async rehome(partitions: readonly HomelessPartition[]): Promise<void> {
    const { table: { directories }, nodeId } = this.#parts;
    if (directories.isEmpty) return;
    const next = directories.chooser();
    const [corrections, lost] = [new Map<string, string>(), new Set<string>()];
    for (const { topicId, partition, isNew } of partitions) {
      const key = partitionRowKey(topicId, partition);
      corrections.set(key, next());
      if (!isNew) lost.add(key);
    }
    await this.#correct(corrections, "Partitions stay offline, because their log directory is", (key, row) => {
      const isHome = directories.indexOf(directoryOf(row, nodeId)) >= 0;
      return !isHome && (!lost.has(key) || mayBeginAnew(row, nodeId));
    });
  }

  /** A log directory failed: the rows of partitions with replicas elsewhere say so, and others lead them (cluster/repairs.ts). */
  async giveUp(id: string): Promise<void> {
    const { follower, nodeId } = this.#parts;
    const isIn = (row: ClusterPartitionRow) => row.replicas.length > 1 && directoryOf(row, nodeId) === id;
    const { signal } = this.#ended;
    for (let isDone = false; !isDone && !signal.aborted;) {
      const corrections = new Map<string, string>();
      for (const [key, entry] of follower.rows) {
        if (key.startsWith(PARTITIONS) && isIn(partitionRowOf(entry))) corrections.set(key, LOST_DIRECTORY);
      }
      const otherwise = "Other brokers do not learn yet which partitions are offline";
      isDone = await this.#correct(corrections, otherwise, (_, row) => isIn(row));
      if (!isDone) await pause(AGAIN_MS, signal);
    }
  }

  /** Tries nothing again. Idempotent. */
  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  /** Has the row of a partition name the directory that it has moved to. @returns the version of the row */
  async name(to: number, { topic, place }: { topic: TopicImage; place: PartitionImage }): Promise<number> {
    const { nodeId, table, follower, commits } = this.#parts;
    const key = partitionRowKey(topic.id, place.partition);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const entry = follower.rows.get(key);
      const row = entry === undefined ? null : partitionRowOf(entry);
      const index = row?.replicas.indexOf(nodeId) ?? -1;
      if (entry === undefined || row === null || index < 0) break;
      const value = JSON.stringify(withDirectory(row, index, table.directories.idOf(to)));
      const transaction = { compare: [{ key, version: entry.version }], set: [{ key, value }] };
      const result = await commits.commit(transaction);
      if (result.outcome === "committed") return result.version;
      if (result.outcome === "refused") throw new MetadataRefusedError(result.refusal.errorMessage);
      // It need not be applied: nothing is, while the partition is exchanged.
      if (!await commits.arrived(transaction, result.keys)) break;
    }
    throw new MetadataRefusedError("The partition has changed meanwhile");
  }

  /** @returns false when the store did not take it */
  async #correct(
    corrections: ReadonlyMap<string, string>,
    otherwise: string,
    mayCorrect: (key: string, row: ClusterPartitionRow) => boolean,
  ): Promise<boolean> {
    try {
      await correctRows(corrections, this.#parts, mayCorrect);
    } catch (error) {
      if (error instanceof MetadataStoreError) {
        this.#parts.report(`${otherwise}: ${error.message}`);
        return false;
      }
      this.#parts.failed(error);
    }
    return true;
  }
}
