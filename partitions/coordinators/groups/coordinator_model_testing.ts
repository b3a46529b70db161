/**
 * Random sequences of events of a whole coordinator over real logs, and what must always hold. Everything follows from a seed: joins,
 * syncs, heartbeats, leaves, commits, deletions, the passage of time, full disks, kills of processes and elections of other brokers. The
 * model does not know the coordinator's rules; it checks only answers.
 *
 * Checked: read-back equals the last acknowledged commit (or one that was in flight when the process died, or another broker was elected); a generation gives each
 * partition to one member; a commit of an older generation is refused; members of consumer groups never own a partition twice; each
 * request is answered once, and at the end all are. Rules of one group are in the models of classic/ and consumer/.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { createRandom } from "../../../storage/base/random.ts";
import {
  type Commit,
  type Consumer,
  leave,
  type Member,
  newConsumer,
  newMember,
  type Pending,
} from "./coordinator_clients_testing.ts";
import { codesOf, commitOf, fetchAllOf, offsetsOf, topicIds } from "./coordinator_testing.ts";
import type { CoordinatorWorld } from "./coordinator_world_testing.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";
import type { GroupSettings } from "./group_ports.ts";
import type { Call } from "./group_ports_testing.ts";

const CLASSIC = ["c0", "c1", "c2"];
const SIMPLE = ["s0", "s1", "s2", "s3"];
const CONSUMER = ["k0"];
const MEMBERS_OF_A_GROUP = 3;
const PARTITIONS = 3;
const SESSION_MS = 10_000;
const CONSUMER_SESSION_MS = 45_000;
const RETENTION_MS = 24 * 3_600_000;
/** More than retention, sessions and the interval between two checks. */
const LONG_MS = RETENTION_MS + 3_600_000;

/** Codes of requests that others may answer, or the same broker later. They may have been carried out nevertheless. */
const MOVED: readonly number[] = [
  errorCode.NOT_COORDINATOR,
  errorCode.COORDINATOR_NOT_AVAILABLE,
  errorCode.COORDINATOR_LOAD_IN_PROGRESS,
];

/** What the model gives its world. */
export interface ModelOptions {
  readonly settings: Partial<GroupSettings>;
  readonly random: () => number;
}

/** The coordinator, its clients and the checks. */
export class CoordinatorModel {
  readonly #random: () => number;
  readonly #world: CoordinatorWorld;
  readonly #members: Member[];
  readonly #consumers: Consumer[];
  readonly #commits: Commit[] = [];
  /** The offsets that may be read back, by group and partition: the last acknowledged first, then those that may have been written. */
  readonly #offsets = new Map<string, (number | null)[]>();
  /** Newest generation that any member knows, by group. */
  readonly #generations = new Map<string, number>();
  /** The owner of each partition, by group and generation. */
  readonly #owners = new Map<string, Map<number, string>>();
  /** Counts of events: a sequence in which nothing happens proves nothing. */
  readonly counts = { commits: 0, lateRefused: 0, syncs: 0, assignments: 0, restarts: 0, unanswered: 0 };
  #nextOffset = 1;

  /** @param start begins the world, with the model's settings and chance */
  constructor(seed: number, start: (options: ModelOptions) => CoordinatorWorld) {
    this.#random = createRandom(seed);
    this.#world = start({ settings: { offsetsRetentionMs: RETENTION_MS }, random: this.#random });
    this.#members = CLASSIC.flatMap((groupId) => Array.from({ length: MEMBERS_OF_A_GROUP }, () => newMember(groupId)));
    this.#consumers = CONSUMER.flatMap((groupId) =>
      Array.from({ length: MEMBERS_OF_A_GROUP }, (_, index) => newConsumer(groupId, `${groupId}-member-${index}`))
    );
  }

  /** Runs steps, then waits until everything has ended. @throws AssertionError when a check fails */
  run(steps: number): void {
    for (let step = 0; step < steps; step++) this.#step();
    this.#settle();
    for (const groupId of [...CLASSIC, ...SIMPLE, ...CONSUMER]) this.#readBack(groupId);
    this.#fail();
    this.#settle();
    for (const groupId of [...CLASSIC, ...SIMPLE, ...CONSUMER]) this.#readBack(groupId);
    this.#waitLong();
    assert.equal(this.#world.dispose(), 0, "all memory is given back");
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }

  #step(): void {
    const dice = this.#random();
    if (this.#random() < 0.2) this.#world.fillDisk(false);
    if (dice < 0.55) this.#act(this.#pick(this.#members));
    else if (dice < 0.65) this.#commitSimple(this.#pick(SIMPLE));
    else if (dice < 0.77) this.#beatConsumer(this.#pick(this.#consumers));
    else if (dice < 0.83) this.#readBack(this.#pick([...CLASSIC, ...SIMPLE, ...CONSUMER]));
    else if (dice < 0.85) this.#deleteOffset(this.#pick(SIMPLE));
    else if (dice < 0.86) this.#deleteGroup(this.#pick(SIMPLE));
    else if (dice < 0.87) this.#world.fillDisk(true);
    else if (dice < 0.95) this.#pass(this.#random() * (this.#random() < 0.05 ? 60_000 : 1000));
    else if (dice < (this.#world.isReplicated ? 0.98 : 0.992)) this.#endTurn();
    else if (dice < 0.999) this.#fail();
    else this.#waitLong();
    if (this.#random() < 0.5) this.#endTurn();
  }

  #endTurn(): void {
    this.#world.turn();
    this.#takeCommits();
  }

  #pass(ms: number): void {
    this.#world.advance(ms);
    this.#takeCommits();
    const nowMs = this.#world.clock.monotonicMs();
    // A consumer that sent nothing for a session gives up its partitions by itself.
    for (const consumer of this.#consumers) if (nowMs - consumer.heardMs >= CONSUMER_SESSION_MS) leave(consumer);
  }

  /** Lets time pass without requests until every session and every offset has expired. */
  #waitLong(): void {
    this.#settle();
    for (let waited = 0; waited < LONG_MS; waited += 600_000) this.#pass(600_000);
    for (const key of this.#offsets.keys()) this.#offsets.set(key, [null]);
    for (const groupId of [...CLASSIC, ...SIMPLE, ...CONSUMER]) this.#readBack(groupId);
    this.#settle();
    const listed = this.#ask(16, { statesFilter: [], typesFilter: [] }, 5);
    assert.deepEqual(listed.groups, [], "empty groups without offsets are forgotten");
    this.#generations.clear();
    this.#owners.clear();
    // Generations are counted from the start; an answer that was not checked yet is of a group that no longer exists.
    for (const member of this.#members) {
      assert(!(member.pending?.call.isWaiting ?? false), "all are answered");
      Object.assign(member, newMember(member.groupId));
    }
  }

  #settle(): void {
    this.#world.fillDisk(false);
    this.#world.settle();
    this.#takeCommits();
  }

  #ask<Key extends GroupApiKey>(apiKey: Key, request: GroupRequest<Key>, apiVersion: number): GroupResponse<Key> {
    const answer = this.#world.answerOf(this.#world.send(apiKey, request, apiVersion));
    this.#takeCommits();
    return answer;
  }

  /** A fault: who waits for a broker that was killed is never answered. */
  #fail(): void {
    this.#world.fillDisk(false);
    this.#takeCommits();
    this.#world.fail();
    this.counts.restarts++;
    this.#takeCommits();
    for (const member of this.#members) {
      if (member.pending === null) continue;
      this.counts.unanswered++;
      [member.pending, member.next] = [null, "join"];
    }
    if (this.#world.isReplicated) return;
    // A generation that was not stable yet is not in the log, so its number is used again.
    for (const groupId of CLASSIC) {
      const stable = [...this.#owners.keys()].filter((key) => key.startsWith(`${groupId} `)).map((key) =>
        Number(key.split(" ")[1])
      );
      this.#generations.set(groupId, Math.max(-1, ...stable));
    }
  }

  #mayBe(key: string, offset: number | null): void {
    this.#offsets.set(key, [...this.#offsets.get(key) ?? [null], offset]);
  }

  #readBack(groupId: string): void {
    const response = this.#ask(9, fetchAllOf(groupId), 8);
    if (MOVED.includes(response.groups?.[0]?.errorCode ?? errorCode.NONE)) return;
    const found = offsetsOf(response);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const key = `${groupId} a-${partition}`;
      const allowed = this.#offsets.get(key) ?? [null];
      const offset = found[`a-${partition}`] ?? null;
      assert(allowed.includes(offset), `${key} is ${offset}, not ${allowed.join(" or ")}`);
      this.#offsets.set(key, [offset]);
    }
  }

  #send(groupId: string, commit: { memberId: string; generation: number }): void {
    const offsets: Record<number, number> = {};
    for (let partition = 0; partition < PARTITIONS; partition++) {
      if (this.#random() < 0.6) offsets[partition] = this.#nextOffset++;
    }
    const call = this.#world.send(8, commitOf(groupId, "a", offsets, commit), 8);
    const isOld = commit.generation >= 0 && commit.generation < (this.#generations.get(groupId) ?? -1);
    this.#commits.push({ groupId, offsets, call, isOld });
    this.#takeCommits();
  }

  #commitSimple(groupId: string): void {
    this.#send(groupId, { memberId: "", generation: -1 });
  }

  /** Partitions answer independently; within one the answers have the order of the commits. */
  #takeCommits(): void {
    const isOver = ({ call }: Commit) => !call.isWaiting || this.#world.isLost(call);
    const over = this.#commits.filter(isOver);
    this.#commits.splice(0, Infinity, ...this.#commits.filter((commit) => !isOver(commit)));
    for (const commit of over) this.#takeCommit(commit);
  }

  #takeCommit({ groupId, offsets, call, isOld }: Commit): void {
    const codes = call.isWaiting ? null : codesOf(call.answer);
    for (const [partition, offset] of Object.entries(offsets)) {
      if (codes === null || MOVED.includes(codes[Number(partition)]!)) this.#mayBe(`${groupId} a-${partition}`, offset);
      if (codes === null) continue;
      if (codes[Number(partition)] === errorCode.ILLEGAL_GENERATION) this.counts.lateRefused++;
      if (codes[Number(partition)] !== errorCode.NONE) continue;
      this.#offsets.set(`${groupId} a-${partition}`, [offset]);
      this.counts.commits++;
      assert(!isOld, `${groupId}: a commit of an old generation is refused`);
    }
  }

  #deleteOffset(groupId: string): void {
    const partition = Math.floor(this.#random() * PARTITIONS);
    const topics = [{ name: "a", partitions: [{ partitionIndex: partition }] }];
    this.#takeRemoval(`${groupId} a-${partition}`, this.#ask(47, { groupId, topics }, 0).errorCode);
  }

  #deleteGroup(groupId: string): void {
    const [result] = this.#ask(42, { groupsNames: [groupId] }, 2).results;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      this.#takeRemoval(`${groupId} a-${partition}`, result!.errorCode);
    }
  }

  #takeRemoval(key: string, code: number): void {
    if (code === errorCode.NONE) this.#offsets.set(key, [null]);
    else if (MOVED.includes(code)) this.#mayBe(key, null);
  }

  #act(member: Member): void {
    if (member.pending !== null) {
      if (!member.pending.call.isWaiting) this.#absorb(member, member.pending);
      return;
    }
    const { groupId, memberId, generation } = member;
    if (member.next === "join") member.pending = { kind: "join", call: this.#join(member) };
    else if (member.next === "sync") member.pending = { kind: "sync", call: this.#sync(member) };
    else if (this.#random() < 0.45) {
      const call = this.#world.send(12, { groupId, memberId, generationId: generation, groupInstanceId: null }, 3);
      member.pending = { kind: "beat", call };
    } else if (this.#random() < 0.8) {
      const late = this.#random() < 0.3 ? 1 : 0;
      this.#send(groupId, { memberId, generation: Math.max(0, generation - late) });
    } else if (this.#random() < 0.3) {
      this.#world.send(13, { groupId, memberId, members: [] }, 1);
      Object.assign(member, newMember(groupId));
    }
  }

  #join({ groupId, memberId }: Member): Call<GroupResponse<11>> {
    const protocols = [{ name: "range", metadata: new Uint8Array([1]) }];
    const rest = { rebalanceTimeoutMs: 20_000, groupInstanceId: null, protocolType: "other", protocols, reason: null };
    return this.#world.send(11, { groupId, memberId, sessionTimeoutMs: SESSION_MS, ...rest }, 3);
  }

  #sync({ groupId, memberId, generation, members }: Member): Call<GroupResponse<14>> {
    // Each partition is assigned to a random member; the bytes are the partitions' numbers.
    const given = members.map((id) => ({ memberId: id, partitions: [] as number[] }));
    for (let partition = 0; given.length > 0 && partition < PARTITIONS; partition++) {
      this.#pick(given).partitions.push(partition);
    }
    const assignments = given.map((one) => ({ memberId: one.memberId, assignment: new Uint8Array(one.partitions) }));
    const rest = { groupInstanceId: null, protocolType: null, protocolName: null, assignments };
    return this.#world.send(14, { groupId, memberId, generationId: generation, ...rest }, 3);
  }

  #absorb(member: Member, pending: Pending): void {
    member.pending = null;
    const { errorCode: code } = pending.call.answer;
    if (code === errorCode.UNKNOWN_MEMBER_ID) member.memberId = "";
    // Another broker has the member as it was.
    if (MOVED.includes(code) && pending.kind === "beat") return;
    if (code !== errorCode.NONE) {
      member.next = "join";
      return;
    }
    if (pending.kind === "join") {
      const { memberId, generationId = -1, leader, members } = pending.call.answer;
      Object.assign(member, { memberId, generation: generationId, next: "sync" });
      member.members = leader === memberId ? members.map((one) => one.memberId) : [];
      // A former coordinator may tell of one that never becomes stable.
      if (!this.#world.isReplicated) this.#noteGeneration(member);
    } else if (pending.kind === "sync") {
      member.next = "live";
      this.counts.syncs++;
      this.#noteGeneration(member);
      this.#noteAssignment(member, pending.call.answer.assignment);
    }
  }

  #noteGeneration({ groupId, generation }: Member): void {
    this.#generations.set(groupId, Math.max(generation, this.#generations.get(groupId) ?? -1));
  }

  #noteAssignment({ groupId, generation, memberId }: Member, partitions: Uint8Array): void {
    const key = `${groupId} ${generation}`;
    const owners = this.#owners.get(key) ?? new Map<number, string>();
    this.#owners.set(key, owners);
    for (const partition of partitions) {
      const owner = owners.get(partition) ?? memberId;
      assert.equal(owner, memberId, `${key}: partition ${partition} has one member`);
      owners.set(partition, memberId);
    }
  }

  #beatConsumer(consumer: Consumer): void {
    const { groupId, memberId, epoch, owned } = consumer;
    if (epoch > 0 && this.#random() < 0.03) {
      this.#heartbeat(consumer, { memberEpoch: -1, owned: null });
      return leave(consumer);
    }
    const answer = this.#heartbeat(consumer, { memberEpoch: epoch, owned });
    if (MOVED.includes(answer.errorCode)) return;
    consumer.heardMs = this.#world.clock.monotonicMs();
    if (answer.errorCode === errorCode.UNKNOWN_MEMBER_ID || answer.errorCode === errorCode.FENCED_MEMBER_EPOCH) {
      leave(consumer);
    }
    if (answer.errorCode !== errorCode.NONE) return;
    consumer.epoch = answer.memberEpoch;
    if (answer.assignment === null || answer.assignment === undefined) return;
    this.counts.assignments++;
    consumer.owned = new Set(answer.assignment.topicPartitions.flatMap(({ partitions }) => [...partitions]));
    for (const other of this.#consumers) {
      if (other === consumer || other.groupId !== groupId) continue;
      for (const partition of consumer.owned) {
        assert(!other.owned.has(partition), `${memberId} and ${other.memberId} both own a-${partition}`);
      }
    }
  }

  #heartbeat(
    { groupId, memberId }: Consumer,
    said: { memberEpoch: number; owned: ReadonlySet<number> | null },
  ): GroupResponse<68> {
    const isJoining = said.memberEpoch === 0;
    const topicPartitions = said.owned === null ? null : [{ topicId: topicIds.a, partitions: [...said.owned] }];
    return this.#ask(68, {
      groupId,
      memberId,
      memberEpoch: said.memberEpoch,
      instanceId: null,
      rackId: null,
      // Longer than the session: a member that is removed because it kept partitions learns of it only at its next heartbeat, too.
      rebalanceTimeoutMs: isJoining ? 60_000 : -1,
      subscribedTopicNames: isJoining ? ["a"] : null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: isJoining ? [] : topicPartitions,
    }, 1);
  }
}
