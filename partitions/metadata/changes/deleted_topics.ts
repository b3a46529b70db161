/**
 * What deleted topics leave behind: directories that no shard has renamed, rows in the store, and lines in the checkpoints. Main isolate.
 *
 * Always: a topic's row is forgotten after its directories were removed durably, because a start adopts directories that it does not
 * know. The row names the topic's log directories, and stays while one of them is offline or not in log.dirs. New partitions go to
 * directories that are online, so the rows that stay are no more than the topics that the others had. (Kafka adopts nothing: a directory
 * whose topic id its metadata lacks is a stray replica.)
 *
 * No topic or partition is created while a checkpoint may have lines of a deleted one: after a crash, a new topic of the same name would
 * start at the deleted topic's log start (LogManager.asyncDelete). When the disk refuses one of these steps, the deletion succeeds
 * nevertheless: the next start removes the directories, and the checkpoints are written before the next creation.
 */
import type { PartitionDirectories, PartitionIdentity } from "../adoption.ts";
import { sentenceOfDisk } from "./disk_refusals.ts";
import { isHere, type PartitionImage, type TopicImage } from "../image.ts";
import { type DirectoryPlacement, OFFLINE_DIRECTORY } from "../../placement/directory_placement.ts";
import { directoryOf } from "../found_directories.ts";
import { partitionsPrefix, readMetadata, SOME_DIRECTORY } from "../records.ts";
import type { MetadataStore } from "../store/store.ts";

/** What the removal uses. */
export interface DeletedTopicsParts {
  /** The directories of a topic were removed durably; all of them, or those of the log directories that are online. */
  readonly removed: (topicId: string, isAll: boolean) => void;
  readonly nodeId: number;
  readonly store: MetadataStore;
  readonly directories: () => PartitionDirectories | null;
  /** Which log directory has each partition. */
  readonly placement: () => DirectoryPlacement;
  /** Writes all checkpoints. */
  readonly saveCheckpoints: () => Promise<void>;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** The remains of the topics that one controller has deleted. */
export class DeletedTopics {
  readonly #parts: DeletedTopicsParts;
  #areCheckpointsDue = false;

  /** @param parts the controller's pieces */
  constructor(parts: DeletedTopicsParts) {
    this.#parts = parts;
  }

  /** Finds the log directories that may have directories of topics, before they are deleted. @returns `directory.id`s, by topic id */
  async placesOf(topics: readonly TopicImage[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const placement = this.#parts.placement();
    const places = new Map<string, readonly string[]>();
    for (const topic of topics) {
      const here = topic.partitions.filter(isHere);
      const online = here.filter(isOnline).map(({ directory }) => placement.idOf(directory));
      const offline = here.every(isOnline) ? [] : await this.#storedPlaces(topic.id);
      places.set(topic.id, [
        ...new Set([...online, ...offline, ...placement.isComplete ? [] : [SOME_DIRECTORY]]),
      ]);
    }
    return places;
  }

  /**
   * Removes what topics leave behind, once every shard has removed the logs that it had open.
   * @param topics with their removed partitions
   * @param isUndone whether they were created just before: then directories of other topics, which a start left alone, may have the
   * names of theirs
   */
  async clear(topics: readonly TopicImage[], { isUndone = false } = {}): Promise<void> {
    this.#areCheckpointsDue = true;
    try {
      await this.#removeDirectories(topics, isUndone);
      const { isComplete } = this.#parts.placement();
      for (const { id, partitions } of topics) {
        this.#parts.removed(id, isComplete && partitions.filter(isHere).every(isOnline));
      }
    } catch (error) {
      this.#parts.report(
        `The next start removes the directories of deleted topics, because the disk refuses: ${sentenceOfDisk(error)}`,
      );
    }
    try {
      await this.saveCheckpoints();
    } catch (error) {
      this.#parts.report(`No partition can be created until the checkpoints are written: ${sentenceOfDisk(error)}`);
    }
  }

  /** Writes the checkpoints if they may have lines of deleted topics; called before partitions are created. @throws when the disk refuses */
  async saveCheckpoints(): Promise<void> {
    if (!this.#areCheckpointsDue) return;
    await this.#parts.saveCheckpoints();
    this.#areCheckpointsDue = false;
  }

  async #storedPlaces(topicId: string): Promise<string[]> {
    const rows = readMetadata(await this.#parts.store.range(partitionsPrefix(topicId))).partitions.get(topicId) ?? [];
    return rows.flatMap((stored) => stored === undefined ? [] : directoryOf(stored.row, this.#parts.nodeId) ?? []);
  }

  async #removeDirectories(topics: readonly TopicImage[], isUndone: boolean): Promise<void> {
    const directories = this.#parts.directories();
    if (directories === null) return;
    for (const { name, id, partitions } of topics) {
      for (const { partition, directory } of partitions.filter(isHere)) {
        const place = { topic: name, partition, directory };
        if (!isUndone) await directories.remove(place);
        else if (isOf(id, await directories.identify(place))) await directories.remove(place, directory);
      }
    }
    await directories.sync();
  }
}

function isOnline({ directory }: Pick<PartitionImage, "directory">): boolean {
  return directory !== OFFLINE_DIRECTORY;
}

function isOf(topicId: string, identity: PartitionIdentity | string): boolean {
  return typeof identity !== "string" && identity.topicId === topicId;
}
