/**
 * Which protocol (for consumers: which assignor) a group uses: one that all members support; among those, the one that most members
 * prefer. Pure; runs on shards.
 *
 * Source: Kafka's ClassicGroup.selectProtocol, supportsProtocols and ClassicGroupMember.vote, matches. Where votes are even Kafka takes the
 * one that comes first in Java's hash map of the votes; so does this.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { javaHash } from "../../key_partition.ts";

/** One protocol of a member with what the leader needs to know; opaque bytes. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** Whoever votes: the most preferred protocol first. */
export interface Voter {
  readonly protocols: readonly MemberProtocol[];
}

/** How many members support each protocol, kept up to date so that a joining member costs only its own protocols. */
export class ProtocolSupport {
  readonly #counts = new Map<string, number>();

  /** How many protocols somebody supports. */
  get count(): number {
    return this.#counts.size;
  }

  /** Counts a member in. */
  add(voter: Voter): void {
    for (const name of namesOf(voter)) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** Counts a member out, with the protocols it was counted in with. */
  remove(voter: Voter): void {
    for (const name of namesOf(voter)) {
      const left = (this.#counts.get(name) ?? 0) - 1;
      assert(left >= 0, "a member is counted out once");
      if (left === 0) this.#counts.delete(name);
      else this.#counts.set(name, left);
    }
  }

  /** Whether one of these protocols is supported by all members. @param memberCount how many there are */
  includesCommon(protocols: readonly MemberProtocol[], memberCount: number): boolean {
    return protocols.some(({ name }) => (this.#counts.get(name) ?? 0) === memberCount);
  }
}

/** Lets all vote. @returns the protocol's name, null when they have none in common */
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

/** Whether two lists say the same in the same order. */
export function areSameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return a.length === b.length && a.every(({ name, metadata }, index) => {
    const other = b[index]!;
    return name === other.name && areSameBytes(metadata, other.metadata);
  });
}

/** Whether two byte ranges hold the same. */
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

/** Place in a java.util.HashMap of up to 12 entries, which is walked from 0 to 15. */
function bucketOf(name: string): number {
  const hash = javaHash(name);
  return (hash ^ (hash >>> 16)) & 15;
}
