/**
 * Says in which log directory a partition lies, and chooses one for new partitions (directory_choice.ts). The store keeps the
 * `directory.id` of each partition (KIP-858), so that a partition whose disk is missing is offline, and not created anew on another disk.
 * Pure state; the main isolate.
 */
import { ZERO_UUID } from "../../storage/base/uuid.ts";
import { directoryChooser } from "./directory_choice.ts";

/** A partition in a directory that is not online. */
export const OFFLINE_DIRECTORY = -1;

/** The log directories and how many partitions each of them has. */
export class DirectoryPlacement {
  readonly #ids: (string | null)[];
  readonly #counts = new Map<number, number>();

  /** @param ids `directory.id` by index in `log.dirs`; null for a directory that is offline */
  constructor(ids: readonly (string | null)[]) {
    this.#ids = [...ids];
  }

  /** A directory failed: from now on it is offline. @returns whether another one is online */
  fail(index: number): boolean {
    this.#ids[index] = null;
    return this.#ids.some((id) => id !== null);
  }

  /** Indexes of the directories that are offline. */
  get offline(): number[] {
    return this.#ids.flatMap((id, index) => id === null ? [index] : []);
  }

  /** Index of the directory with an id, OFFLINE_DIRECTORY when none of the online ones has it. */
  indexOf(id: string | undefined): number {
    return id === undefined ? OFFLINE_DIRECTORY : this.#ids.indexOf(id);
  }

  /** The `directory.id` of an online directory. */
  idOf(index: number): string {
    return this.#ids[index] ?? "";
  }

  /** The `directory.id` of each replica's log directory; other brokers choose theirs. @param directory index of this broker's */
  idsOf(replicas: readonly number[], { nodeId, directory }: { nodeId: number; directory: number }): string[] {
    return replicas.map((id) => id === nodeId ? this.idOf(directory) : ZERO_UUID);
  }

  /** Whether no directory is online. */
  get isEmpty(): boolean {
    return this.#ids.every((id) => id === null);
  }

  /** Whether every directory is online. */
  get isComplete(): boolean {
    return !this.#ids.includes(null);
  }

  /**
   * Chooses directories for the new partitions of one change; `count()` counts them once they exist.
   * @returns a function that gives the `directory.id` for the next partition
   */
  chooser(): () => string {
    return directoryChooser(
      this.#ids.flatMap((id, index) => id === null ? [] : [{ id, count: this.countOf(index) }]),
    );
  }

  /** How many partitions a directory has. @param index of the directory */
  countOf(index: number): number {
    return this.#counts.get(index) ?? 0;
  }

  /** Counts partitions that were placed or removed. @param directories index of each @param change 1 or -1 */
  count(directories: Iterable<number>, change: 1 | -1): void {
    for (const index of directories) this.#counts.set(index, this.countOf(index) + change);
  }
}
