/**
 * Groups that had only committed offsets, and whose last offset was removed: by OffsetDelete, with its topic, or because it expired.
 * They still exist as Empty groups: they are listed, described and deleted like others, until the next search for expired state removes
 * them (expiry.ts). In Kafka they are objects in memory. Runs on shards.
 */
import { bytesOfText, type GroupMemory } from "./group_memory.ts";

/**
 * The most that a partition remembers; beyond that the oldest are forgotten and do not exist any more. The deletion of one topic can
 * empty hundreds of thousands.
 */
const EMPTIED_GROUPS_MAX = 10_000;
/** Memory of one emptied group in addition to its id, in bytes. */
const ID_BYTES = 64;

/** The emptied groups of one partition. */
export class EmptiedGroups implements Iterable<string> {
  readonly #memory: GroupMemory;
  readonly #ids = new Set<string>();

  /** @param memory the shard's budget; the oldest are also forgotten when it has no room */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** Whether a group is an emptied one. */
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

  /** A group has offsets again, or was deleted. */
  remove(groupId: string): void {
    if (this.#ids.delete(groupId)) this.#memory.change(-bytesOf(groupId));
  }

  /** Forgets all emptied groups. */
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
