/**
 * Groups that had committed offsets and nothing else, and whose last offset was removed: by OffsetDelete, with its topic, or because it
 * expired. They are still there, Empty: they are listed, described and deleted like others, until the next look for what has
 * expired removes them (expiry.ts). In Kafka they are objects in memory. Runs on shards.
 */
import { bytesOfText, type GroupMemory } from "./group_memory.ts";

/**
 * So many are remembered in a partition; then the oldest do not exist any more. The deletion of one topic can empty hundreds of
 * thousands.
 */
const EMPTIED_GROUPS_MAX = 10_000;
/** Memory of one beside its id. */
const ID_BYTES = 64;

/** Those of one partition. */
export class EmptiedGroups implements Iterable<string> {
  readonly #memory: GroupMemory;
  readonly #ids = new Set<string>();

  /** @param memory the shard's budget; where there is no room the oldest are forgotten, too */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** Whether a group is one. */
  has(groupId: string): boolean {
    return this.#ids.has(groupId);
  }

  /** A group has lost its last offset. */
  add(groupId: string): void {
    if (this.#ids.has(groupId)) return;
    this.#ids.add(groupId);
    this.#memory.change(bytesOf(groupId));
    for (const oldest of this.#ids) {
      if (this.#ids.size <= EMPTIED_GROUPS_MAX && this.#memory.hasRoomFor(1)) break;
      this.remove(oldest);
    }
  }

  /** A group has offsets again, or is gone for good. */
  remove(groupId: string): void {
    if (this.#ids.delete(groupId)) this.#memory.change(-bytesOf(groupId));
  }

  /** Forgets all. */
  clear(): void {
    for (const groupId of this.#ids) this.remove(groupId);
  }

  /** Their ids, the oldest first. */
  [Symbol.iterator](): Iterator<string> {
    return this.#ids.values();
  }
}

function bytesOf(groupId: string): number {
  return ID_BYTES + bytesOfText(groupId);
}
