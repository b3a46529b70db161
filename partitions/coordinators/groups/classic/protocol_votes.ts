/**
 * Selects the protocol (for consumers: the assignor) of a group: of the protocols that all members support, the one that most members
 * prefer. Pure; runs on shards.
 *
 * Source: Kafka's ClassicGroup.selectProtocol, supportsProtocols and ClassicGroupMember.vote, matches. If votes are even, Kafka takes the
 * protocol that comes first in Java's hash map of the votes. This does the same.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { javaHash } from "../../key_partition.ts";

/** One protocol of a member with its metadata for the leader, which is opaque bytes. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** A voter: its protocols, the most preferred first. */
export interface Voter {
  readonly protocols: readonly MemberProtocol[];
}

/** Counts how many members support each protocol. A joining member then costs only its own protocols. */
export class ProtocolSupport {
  readonly #counts = new Map<string, number>();

  /** How many protocols at least one member supports. */
  get count(): number {
    return this.#counts.size;
  }

  /** Adds a member's protocols to the counts. */
  add(voter: Voter): void {
    for (const name of namesOf(voter)) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** Removes a member from the counts. @param protocols those it was added with */
  remove(voter: Voter): void {
    for (const name of namesOf(voter)) {
      const left = (this.#counts.get(name) ?? 0) - 1;
      assert(left >= 0, "a member is counted out once");
      if (left === 0) this.#counts.delete(name);
      else this.#counts.set(name, left);
    }
  }

  /** Whether all members support one of these protocols. @param memberCount how many members there are */
  includesCommon(protocols: readonly MemberProtocol[], memberCount: number): boolean {
    return protocols.some(({ name }) => (this.#counts.get(name) ?? 0) === memberCount);
  }
}

/** Counts the votes of all members. @returns the protocol's name, null when they have none in common */
export function selectProtocol(voters: readonly Voter[]): string | null {
  const support = new Map<string, number>();
  for (const voter of voters) {
    for (const name of namesOf(voter)) support.set(name, (support.get(name) ?? 0) + 1);
  }
  const votes = new Map<string, number>();
  for (const { protocols } of voters) {
    const choice = protocols.find(({ name }) => support.get(name) === voters.length);
    if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
  }
  let selected: string | null = null;
  let most = 0;
  for (const [name, count] of votes) {
    if (count < most || (count === most && selected !== null && bucketOf(name) >= bucketOf(selected))) continue;
    selected = name;
    most = count;
  }
  return selected;
}

/** Whether two lists have the same protocols and metadata in the same order. */
export function areSameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return a.length === b.length && a.every(({ name, metadata }, index) => {
    const other = b[index]!;
    return name === other.name && areSameBytes(metadata, other.metadata);
  });
}

/** Whether two byte arrays are equal. */
export function areSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return false;
  }
  return true;
}

/** A member that names a protocol twice supports it once. */
function namesOf({ protocols }: Voter): Iterable<string> {
  return new Set(protocols.map(({ name }) => name));
}

/** Bucket in a java.util.HashMap of up to 12 entries, which is iterated from bucket 0 to 15. */
function bucketOf(name: string): number {
  const hash = javaHash(name);
  return (hash ^ (hash >>> 16)) & 15;
}
