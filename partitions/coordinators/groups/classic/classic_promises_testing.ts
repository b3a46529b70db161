/**
 * The promises of a classic group, checked only on answers and on the log, without its rules:
 *
 *   - generations grow; what is accepted names the present one, and comes from nobody who left or was replaced
 *   - a generation has one leader and one assignment, a partition one owner in it, and the log has it before a member has it
 *   - a restart finds the generation that was handed out last
 */
import assert from "node:assert/strict";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupRequest } from "../../../../net/protocol/messages/14_sync_group.ts";
import type { GroupMetadataValue } from "../records/group_record.ts";
import { text } from "./classic_testing.ts";

/** Counts of events: a run in which nothing happens proves nothing. */
export interface ModelCounts {
  generations: number;
  assignments: number;
  replacements: number;
  restarts: number;
  refusedAppends: number;
  fenced: number;
  stale: number;
}

/** Nothing happened. */
export const noCounts: Readonly<ModelCounts> = {
  generations: 0,
  assignments: 0,
  replacements: 0,
  restarts: 0,
  refusedAppends: 0,
  fenced: 0,
  stale: 0,
};

/** What handed-out assignments say. */
interface Handed {
  readonly generation: number;
  readonly nonce: string;
  readonly owners: Map<string, string>;
}

const nothingHanded = (): Handed => ({ generation: 0, nonce: "", owners: new Map() });

/** The promises. Assignments are texts: generation/nonce of the leader's request/partitions. */
export class Promises {
  readonly #counts: ModelCounts;
  /** Members that left or were replaced since the start. */
  readonly #gone = new Set<string>();
  readonly #idOfInstance = new Map<string, string>();
  /** Generations whose leader left somebody out. */
  readonly #incomplete = new Set<number>();
  #generation = 0;
  #leader = { generation: 0, who: "" };
  #handed: Handed = nothingHanded();

  /** @param counts where it counts */
  constructor(counts: ModelCounts) {
    this.#counts = counts;
  }

  /** A member was told its generation. */
  joined(answer: JoinGroupResponse, instanceId: string | null): void {
    const { memberId, generationId = -1, members, skipAssignment } = answer;
    assert.ok(!this.#gone.has(memberId), "who is gone does not join as itself");
    assert.ok(generationId >= this.#generation && generationId > 0, "generations grow");
    if (generationId > this.#generation) this.#counts.generations++;
    this.#generation = generationId;
    const ids = members.map((member) => member.memberId);
    if (ids.length > 0 && !skipAssignment) {
      const who = instanceId ?? memberId;
      assert.ok(this.#leader.generation < generationId || this.#leader.who === who, "a generation has one leader");
      this.#leader = { generation: generationId, who };
    }
    if (ids.length > 0) assert.ok(ids.includes(memberId), "the leader is a member");
    assert.deepEqual(ids.filter((id) => this.#gone.has(id)), [], "who is gone is no member");
    if (instanceId === null) return;
    const old = this.#idOfInstance.get(instanceId);
    if (old !== undefined && old !== memberId) {
      this.#gone.add(old);
      this.#counts.replacements++;
    }
    this.#idOfInstance.set(instanceId, memberId);
  }

  /** A leader assigns, and leaves members out. */
  expectIncomplete(generation: number): void {
    this.#incomplete.add(generation);
  }

  /** A member was given its assignment. @param written the last record of the log */
  synced(
    { memberId, generationId, groupInstanceId }: Pick<
      SyncGroupRequest,
      "memberId" | "generationId" | "groupInstanceId"
    >,
    assignment: string,
    written: GroupMetadataValue,
  ): void {
    this.#counts.assignments++;
    this.accepted(memberId, generationId);
    const member = written.members.find((one) => one.memberId === memberId);
    assert.ok(member !== undefined && written.generation === generationId, "the log has it before the member has it");
    assert.equal(text(member.assignment), assignment);
    if (assignment === "") return assert.ok(this.#incomplete.has(generationId), "the leader's assignment is taken");
    const [generation, nonce, partitions] = assignment.split("/") as [string, string, string];
    assert.equal(Number(generation), generationId, "an assignment is of the generation that it was made for");
    assert.ok(generationId >= this.#handed.generation, "assignments are of ever later generations");
    if (generationId > this.#handed.generation) {
      this.#handed = { generation: generationId, nonce, owners: new Map() };
    }
    assert.equal(nonce, this.#handed.nonce, "a generation has one assignment");
    this.#own(partitions === "" ? [] : partitions.split(","), groupInstanceId ?? memberId);
  }

  /** A heartbeat or a commit was accepted. */
  accepted(memberId: string, generation: number): void {
    assert.equal(generation, this.#generation, "what is accepted names the present generation");
    assert.ok(!this.#gone.has(memberId), "who is gone is refused");
  }

  /** A member left. */
  left(memberId: string): void {
    assert.ok(!this.#gone.has(memberId), "nobody leaves twice");
    this.#gone.add(memberId);
  }

  /** The group was made out of the log: it knows nothing of who left it after the last record. */
  restarted(generation: number): void {
    assert.ok(generation >= this.#handed.generation, "a restart finds what was handed out last");
    this.#begin(generation);
  }

  /** The group was deleted: the next group with its name is independent of it. */
  deleted(): void {
    this.#incomplete.clear();
    this.#handed = nothingHanded();
    this.#begin(0);
  }

  #begin(generation: number): void {
    this.#generation = generation;
    this.#gone.clear();
    this.#idOfInstance.clear();
    this.#leader = { generation: 0, who: "" };
  }

  #own(partitions: readonly string[], who: string): void {
    const { owners } = this.#handed;
    for (const partition of partitions) {
      const owner = owners.get(partition);
      assert.ok(owner === undefined || owner === who, "a partition has one owner");
      owners.set(partition, who);
    }
  }
}
