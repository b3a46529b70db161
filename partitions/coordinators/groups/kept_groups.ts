/**
 * The groups of one partition of `__consumer_offsets` that have an object, by their ids. Runs on the shard that owns the partition.
 *
 * Always: a group takes memory of the shard's budget from the time it is kept until it is forgotten; one that is forgotten has answered
 * everybody who waited for it.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { ClassicGroup } from "./classic/classic_group.ts";
import type { ConsumerGroup } from "./consumer/consumer_group.ts";
import { bytesOfText, GROUP_BYTES, type GroupMemory } from "./group_memory.ts";

/** A group of either kind. */
export type Group = ClassicGroup | ConsumerGroup;

/** The groups. */
export class KeptGroups {
  readonly #memory: GroupMemory;
  readonly #byId = new Map<string, Group>();

  /** @param memory the shard's budget */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** How many there are. */
  get size(): number {
    return this.#byId.size;
  }

  /** Whether one has this id. */
  has(groupId: string): boolean {
    return this.#byId.has(groupId);
  }

  /** The one with this id. */
  get(groupId: string): Group | undefined {
    return this.#byId.get(groupId);
  }

  /** All. Changes while they are walked over are fine. */
  values(): Iterable<Group> {
    return this.#byId.values();
  }

  /** Keeps a group whose id no other one has. */
  keep<Kind extends Group>(group: Kind): Kind {
    this.#byId.set(group.groupId, group);
    this.#memory.change(bytesOf(group));
    return group;
  }

  /** Forgets a group of a kind, if there is one. @param code what those are told who wait for it */
  forget(groupId: string, type: Group["type"], code: number = errorCode.UNKNOWN_MEMBER_ID): void {
    const group = this.#byId.get(groupId);
    if (group === undefined || group.type !== type) return;
    this.#byId.delete(groupId);
    this.#memory.change(-bytesOf(group));
    group.dispose(code);
  }

  /** Forgets a group that has nothing to remember. */
  forgetVacant(group: Group): void {
    if (group.isVacant && this.#byId.get(group.groupId) === group) this.forget(group.groupId, group.type);
  }

  /** Forgets all. @param code what those are told who wait */
  clear(code: number): void {
    for (const { groupId, type } of this.#byId.values()) this.forget(groupId, type, code);
  }
}

function bytesOf({ type, groupId }: Group): number {
  return GROUP_BYTES[type] + bytesOfText(groupId);
}
