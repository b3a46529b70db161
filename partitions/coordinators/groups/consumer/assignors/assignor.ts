/**
 * The input and the output of an assignor of a consumer group. Pure; any isolate.
 *
 * What must always hold: every partition of a subscribed topic is assigned to exactly one member, and that member subscribes to the topic.
 */

/** Partitions by topic id; each list ascending and never empty. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

/** No partitions. */
export const NO_PARTITIONS: Assignment = new Map();

/** One member, as assignors see it. */
export interface AssignorMember {
  readonly memberId: string;
  /** Instance id of a static member, null for a dynamic one. The range assignor orders members by it. */
  readonly instanceId: string | null;
  /** Existing topics that it subscribes to. Members with equal subscriptions share one set, which makes assignors fast. */
  readonly topicIds: ReadonlySet<string>;
  /** Its target so far. It may name topics and partitions that no longer exist. */
  readonly assignment: Assignment;
}

/** Members, and the partitions to assign to them. */
export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** Returns the number of partitions of an existing topic. */
  readonly partitionsCountOf: (topicId: string) => number;
}

/** The new targets by member id. A member whose target is unchanged keeps the same object. */
export type Targets = ReadonlyMap<string, Assignment>;

/** An assignor: computes the targets of all members. */
export type Assign = (input: AssignorInput) => Targets;

/** Returns whether two assignments are equal. */
export function sameAssignment(one: Assignment, other: Assignment): boolean {
  if (one === other) return true;
  if (one.size !== other.size) return false;
  for (const [topicId, partitions] of one) {
    const others = other.get(topicId);
    if (others === undefined || others.length !== partitions.length) return false;
    for (let index = 0; index < partitions.length; index++) if (partitions[index] !== others[index]) return false;
  }
  return true;
}

/** Compares texts by UTF-16 code units, as Java does. @returns -1, 0 or 1 */
export function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
