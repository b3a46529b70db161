/**
 * Groups that had committed offsets and nothing else, and whose last offset was removed: by OffsetDelete, with its topic, or because it
 * expired. They are still there, Empty: they are listed, described and deleted like others, until the next look for what has
 * expired removes them (expiry.ts). In Kafka they are objects in memory. Runs on shards.
 */

/**
 * So many are remembered in a partition; then the oldest do not exist any more. The deletion of one topic can empty hundreds of
 * thousands.
 */
const EMPTIED_GROUPS_MAX = 10_000;

/** Those of one partition. */
export class EmptiedGroups implements Iterable<string> {
  readonly #ids = new Set<string>();

  /** Whether a group is one. */
  has(groupId: string): boolean {
    return this.#ids.has(groupId);
  }

  /** A group has lost its last offset. */
  add(groupId: string): void {
    this.#ids.add(groupId);
    if (this.#ids.size <= EMPTIED_GROUPS_MAX) return;
    const [oldest] = this.#ids;
    if (oldest !== undefined) this.#ids.delete(oldest);
  }

  /** A group has offsets again, or is gone for good. */
  remove(groupId: string): void {
    this.#ids.delete(groupId);
  }

  /** Their ids, the oldest first. */
  [Symbol.iterator](): Iterator<string> {
    return this.#ids.values();
  }
}
