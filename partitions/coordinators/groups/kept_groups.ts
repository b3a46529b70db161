/**
 * The groups of one partition of `__consumer_offsets` that have an object, by their ids. Runs on the shard that owns the partition.
 *
 * Always: a group uses memory of the shard's budget from the time it is kept until it is forgotten, and a forgotten group has answered
 * all requests that waited for it.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { ClassicGroup } from "./classic/classic_group.ts";
import type { ConsumerGroup } from "./consumer/consumer_group.ts";
import { bytesOfText, GROUP_BYTES, type GroupMemory } from "./group_memory.ts";

/** A group of either kind. */
export type Group = ClassicGroup | ConsumerGroup;

/** The groups of one partition that have an object. */
export class KeptGroups {
  readonly #memory: GroupMemory;
  readonly #byId = new Map<string, Group>();

  /** @param memory the shard's budget */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** How many groups there are. */
  get size(): number {
    return this.#byId.size;
  }

  /** Whether a group has this id. */
  has(groupId: string): boolean {
    return this.#byId.has(groupId);
  }

  /** Finds the group with this id. */
  get(groupId: string): Group | undefined {
    return this.#byId.get(groupId);
  }

  /** All groups. Groups may be kept and forgotten during the iteration. */
  values(): Iterable<Group> {
    return this.#byId.values();
  }

  /** Keeps a group. No other group may have its id. */
  keep<Kind extends Group>(group: Kind): Kind {
    this.#byId.set(group.groupId, group);
    this.#memory.change(bytesOf(group));
    return group;
  }

  /** Forgets a group of a kind, if there is one. @param code the error for requests that wait for it */
  forget(groupId: string, type: Group["type"], code: number = errorCode.UNKNOWN_MEMBER_ID): void {
    const group = this.#byId.get(groupId);
    if (group === undefined || group.type !== type) return;
    this.#byId.delete(groupId);
    this.#memory.change(-bytesOf(group));
    group.dispose(code);
  }

  /** Forgets a group without state. */
  forgetVacant(group: Group): void {
    if (group.isVacant && this.#byId.get(group.groupId) === group) this.forget(group.groupId, group.type);
  }

  /** Forgets all groups. @param code the error for waiting requests */
  clear(code: number): void {
    for (const { groupId, type } of this.#byId.values()) this.forget(groupId, type, code);
  }
}

function bytesOf({ type, groupId }: Group): number {
  return GROUP_BYTES[type] + bytesOfText(groupId);
}
