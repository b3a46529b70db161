/**
 * What deleted topics leave behind: directories that no shard has renamed, rows in the store, and lines in the checkpoints. Main isolate.
 *
 * Always: a topic's row is forgotten after its directories were removed durably, because a start adopts directories that it does not
 * know. No topic or partition is created while a checkpoint may have lines of a deleted one: after a crash, a new topic of the same name would start
 * at the deleted topic's log start (LogManager.asyncDelete). When the disk refuses one of these steps, the deletion succeeds
 * nevertheless: the next start removes the directories, and the checkpoints are written before the next creation.
 */
import type { PartitionDirectories, PartitionIdentity } from "../adoption.ts";
import { sentenceOfDisk } from "./disk_refusals.ts";
import type { TopicImage } from "../image.ts";
import type { MetadataCommits } from "./metadata_commits.ts";
import { deletedKey } from "../records.ts";

/** What the removal uses. */
export interface DeletedTopicsParts {
  readonly commits: MetadataCommits;
  readonly directories: () => PartitionDirectories | null;
  readonly isEveryDirectoryOnline: () => boolean;
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
      // What lies on an offline disk comes back with it.
      if (this.#parts.isEveryDirectoryOnline()) {
        for (const { id } of topics) this.#parts.commits.forget(deletedKey(id));
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

  async #removeDirectories(topics: readonly TopicImage[], isUndone: boolean): Promise<void> {
    const directories = this.#parts.directories();
    if (directories === null) return;
    for (const { name, id, partitions } of topics) {
      for (const { partition, directory } of partitions) {
        const place = { topic: name, partition, directory };
        if (!isUndone) await directories.remove(place);
        else if (isOf(id, await directories.identify(place))) await directories.remove(place, directory);
      }
    }
    await directories.sync();
  }
}

function isOf(topicId: string, identity: PartitionIdentity | string): boolean {
  return typeof identity !== "string" && identity.topicId === topicId;
}
