/**
 * What an assignor of a consumer group is given and gives. Pure; any isolate.
 *
 * What must always hold: every partition of a topic that somebody subscribes to has exactly one member, who subscribes to it.
 */

/** Partitions by topic id; each list ascending and never empty. */
export type Assignment = ReadonlyMap<string, readonly number[]>;

/** Nothing at all. */
export const NO_PARTITIONS: Assignment = new Map();

/** One member, as assignors see it. */
export interface AssignorMember {
  readonly memberId: string;
  /** Of a static member: it orders the members of the range assignor. */
  readonly instanceId: string | null;
  /** Existing topics that it subscribes to. Members that subscribe alike share one set: that makes assignors fast. */
  readonly topicIds: ReadonlySet<string>;
  /** Its target so far; may name what does not exist any more. */
  readonly assignment: Assignment;
}

/** What is to be assigned to whom. */
export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** How many partitions an existing topic has. */
  readonly partitionsCountOf: (topicId: string) => number;
}

/** The new targets by member id; a member whose target stays keeps the very object that it had. */
export type Targets = ReadonlyMap<string, Assignment>;

/** Decides who gets what. */
export type Assign = (input: AssignorInput) => Targets;

/** Whether two assignments are the same. */
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

/** Order of texts by UTF-16 code units, as Java compares them. */
export function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
