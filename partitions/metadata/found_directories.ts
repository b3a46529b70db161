/**
 * Decides at a start which log directory has each partition that the store knows. Pure; the main isolate runs it once.
 *
 *   the row names   found on the disks        the partition lies in
 *   A               A, or nowhere             A        (a new partition whose shard had not created it yet)
 *   A               A and B                   A        B's is left alone and reported
 *   A               B                         B        moved by hand, while A is online or after it left log.dirs, or by a move to A
 *                                                      that a crash ended (directory/replica_moves.ts)
 *   A, offline      nowhere                   nowhere: the partition is offline
 *   nothing         A                         A        (rows of earlier versions)
 *   nothing         nowhere                   the directory with the fewest partitions
 *   nothing         A and B                   refused: nobody can tell which one counts. Kafka refuses to start, too
 *
 * Source: Kafka's LogManager.loadLog (duplicate log directories), BrokerLifecycleManager (directory ids, KIP-858).
 */
import type { DirectoryPlacement } from "../placement/directory_placement.ts";
import type { FoundDirectory } from "./adoption.ts";
import type { PartitionRow } from "./records.ts";
import { MetadataStoreError } from "./store/store.ts";

/** The directories of the partitions that the store knows. */
export class FoundDirectories {
  readonly #placement: DirectoryPlacement;
  readonly #nodeId: number;
  /** Indexes of log directories, by `<topic>-<partition>`. */
  readonly #found = new Map<string, number[]>();
  readonly warnings: string[] = [];

  /** @param found directories on the disks @param by the online log directories, and this broker's id */
  constructor(found: readonly FoundDirectory[], by: { placement: DirectoryPlacement; nodeId: number }) {
    this.#placement = by.placement;
    this.#nodeId = by.nodeId;
    for (const { topic, partition, directory } of found) {
      const name = `${topic}-${partition}`;
      const indexes = this.#found.get(name);
      if (indexes === undefined) this.#found.set(name, [directory]);
      else indexes.push(directory);
    }
  }

  /**
   * Finds the log directory of a partition and counts it there.
   * @param name `<topic>-<partition>` @returns its `directory.id`, for the row @throws MetadataStoreError when two have it
   */
  of(name: string, row: PartitionRow): string {
    const stored = directoryOf(row, this.#nodeId);
    const found = this.#found.get(name) ?? [];
    const index = this.#placement.indexOf(stored);
    const [first, second] = found;
    if (first === undefined || found.includes(index)) {
      if (found.length > 1) {
        this.warnings.push(`Leaving a second directory of ${name} alone: ${this.#twice(found, index)}`);
      }
      const id = stored ?? this.#placement.chooser()();
      this.#placement.count([this.#placement.indexOf(id)], 1);
      return id;
    }
    if (second !== undefined) {
      throw new MetadataStoreError(
        `Partition ${name} lies in two log directories, ${this.#twice(found, index)}; remove one of them`,
      );
    }
    if (stored !== undefined) {
      this.warnings.push(
        `${name} lies in another log directory than before: it was moved by hand, or a move ended early`,
      );
    }
    this.#placement.count([first], 1);
    return this.#placement.idOf(first);
  }

  #twice(found: readonly number[], counting: number): string {
    const ids = found.map((index) => this.#placement.idOf(index)).join(" and ");
    return `those with directory.id ${ids}${counting < 0 ? "" : `, of which ${this.#placement.idOf(counting)} counts`}`;
  }
}

/** `directory.id` of this broker's replica; undefined where the row does not say. */
export function directoryOf({ replicas, directories }: PartitionRow, nodeId: number): string | undefined {
  return directories?.[replicas.indexOf(nodeId)];
}
