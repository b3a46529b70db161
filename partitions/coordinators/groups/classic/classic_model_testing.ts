/**
 * Random clients of one classic group, and what must always hold. Everything follows from a seed: requests, time, refused appends,
 * restarts. The model does not know the group's rules; it checks only answers and the log.
 * The promises about generations and assignments are in classic_promises_testing.ts. Here: each request is answered once, in the end all
 * are answered, and no member is left.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import { createRandom } from "../../../../storage/base/random.ts";
import type { GroupPorts } from "../group_ports.ts";
import { ClassicGroup } from "./classic_group.ts";
import { type ModelCounts, noCounts, Promises } from "./classic_promises_testing.ts";
import { bytes, client, protocols, TestGroup, text } from "./classic_testing.ts";

const PARTITIONS = 6;
/** Longer than any chain of sessions and rebalances when all clients are silent. */
const SILENCE_MS = 3_000_000;
/** How many old member ids are still tried. */
const GHOSTS_MAX = 24;
/** Whom those assign to who show up from the past. */
const STRANGERS: readonly string[] = ["x"];
/** Two clients are of the same instance: one fences the other. */
const INSTANCES = [null, null, null, null, "s0", "s0", "s1"];
const PROTOCOLS = [["range"], ["range", "sticky"], ["sticky", "range"]].map((names) => protocols(names));
const CHANGED = PROTOCOLS.map((list) => list.map(({ name }) => ({ name, metadata: bytes(`${name}:changed`) })));

/** A client: what it knows and what it does next. */
interface Actor {
  readonly instanceId: string | null;
  memberId: string;
  generation: number;
  /** Whom it assigns to, when it leads. */
  members: readonly string[];
  next: "join" | "sync" | "beat" | "wait" | "sleep";
}

/** What can be planted. */
export interface ModelOptions {
  /** Makes the group under test. */
  readonly make?: (ports: GroupPorts) => ClassicGroup;
  /** Which appends the log forgets although it says that they are written: every n-th. */
  readonly forgets?: number;
}

/** The clients, the group and the checks. */
export class ClassicModel {
  readonly counts: ModelCounts = { ...noCounts };
  readonly #promises = new Promises(this.counts);
  readonly #random: () => number;
  readonly #make: (ports: GroupPorts) => ClassicGroup;
  readonly #world: TestGroup;
  readonly #actors: Actor[] = INSTANCES.map((instanceId) => ({
    instanceId,
    memberId: "",
    generation: -1,
    members: [],
    next: "join",
  }));
  /** Requests without an answer. */
  readonly #waiting = new Set<symbol>();
  readonly #ghosts: { memberId: string; generation: number; instanceId: string | null }[] = [];
  #nonces = 0;
  #refusals = 0;
  #appends = 0;

  constructor(seed: number, { make = (ports) => new ClassicGroup(ports, "g"), forgets = Infinity }: ModelOptions = {}) {
    this.#random = createRandom(seed);
    this.#make = make;
    const initialRebalanceDelayMs = this.#below(2) * 3000;
    this.#world = new TestGroup({ initialRebalanceDelayMs, maxSize: this.#below(3) === 0 ? 4 : 100 }, make);
    const { log } = this.#world;
    const append = log.append.bind(log);
    log.append = (records) => {
      if (this.#refusals > 0) {
        this.#refusals--;
        this.counts.refusedAppends++;
        return errorCode.COORDINATOR_NOT_AVAILABLE;
      }
      if (++this.#appends % forgets === 0) return errorCode.NONE;
      log.records.length = 0; // compaction: the last one is what counts
      return append(records);
    };
  }

  /** Does one random thing. */
  step(): void {
    const dice = this.#random();
    if (dice < 0.83) this.#act(this.#pick(this.#actors));
    else if (dice < 0.87) this.#haunt();
    else if (dice < 0.96) this.#world.advance(this.#below(2500));
    else if (dice < 0.967) this.#world.advance(this.#below(70_000));
    else if (dice < 0.977) this.#forget(this.#pick(this.#actors));
    else if (dice < 0.982) this.#refusals = this.#below(3);
    else if (dice < 0.984) this.#removeInstance();
    else if (dice < 0.994) this.#restart();
    else if (dice < 0.996) this.#deleteIfEmpty();
    else if (dice < 0.999) return;
    else this.finish();
  }

  /** Waits for the end of all activity: all requests are answered, no member is left. */
  finish(): void {
    this.#refusals = 0;
    this.#world.advance(SILENCE_MS);
    assert.equal(this.#waiting.size, 0, "all requests are answered in the end");
    const { group, timers } = this.#world;
    assert.deepEqual([group.state, group.memberCount, timers.count], ["Empty", 0, 0], "nobody is left in the end");
    for (const actor of this.#actors) this.#forget(actor);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #act(actor: Actor): void {
    switch (actor.next) {
      case "join":
        return this.#join(actor);
      case "sync":
        return this.#sync(actor);
      case "wait":
        if (this.#below(100) === 0) return this.#join(actor);
        if (this.#actors.every(({ next }) => next === "wait" || next === "sleep")) {
          this.#world.advance(this.#below(4000));
        }
        return;
      case "sleep":
        if (this.#below(30) === 0) actor.next = "join";
        return;
      case "beat": {
        const dice = this.#random();
        if (dice < 0.6) return this.#beat(actor);
        if (dice < 0.94) return this.#commit(actor);
        if (dice < 0.98) return this.#join(actor);
        return this.#leave(actor);
      }
    }
  }

  /** @returns a reply that is taken once, and only while its group lives */
  #expect<Response>(take: (response: Response) => void): (response: Response) => void {
    const ticket = Symbol();
    this.#waiting.add(ticket);
    return (response) => {
      assert.ok(this.#waiting.delete(ticket), "each request is answered once");
      take(response);
    };
  }

  #join(actor: Actor): void {
    const { instanceId, memberId } = actor;
    const version = instanceId === null ? this.#pick([0, 3, 4, 9]) : this.#pick([5, 8, 9]);
    actor.next = "wait";
    const reply = this.#expect((answer: JoinGroupResponse) => this.#joined(actor, answer));
    this.#world.group.join(
      {
        groupId: "g",
        sessionTimeoutMs: this.#pick([6000, 10_000, 30_000]),
        rebalanceTimeoutMs: this.#pick([3000, 10_000, 60_000]),
        memberId,
        groupInstanceId: instanceId,
        protocolType: "consumer",
        protocols: this.#pick(this.#below(6) === 0 ? CHANGED : PROTOCOLS),
        reason: null,
      },
      client(version),
      reply,
    );
  }

  #joined(actor: Actor, answer: JoinGroupResponse): void {
    const { errorCode: code, memberId, generationId } = answer;
    actor.next = "join";
    if (code === errorCode.MEMBER_ID_REQUIRED) actor.memberId = memberId;
    else if (code !== errorCode.NONE) return this.#refused(actor, code);
    else this.#promises.joined(answer, actor.instanceId);
    if (code !== errorCode.NONE) return;
    actor.memberId = memberId;
    actor.generation = generationId!;
    actor.members = answer.skipAssignment ? [] : answer.members.map((member) => member.memberId);
    actor.next = "sync";
    this.#ghosts.push({ memberId, generation: generationId!, instanceId: actor.instanceId });
    if (this.#ghosts.length > GHOSTS_MAX) this.#ghosts.splice(this.#below(GHOSTS_MAX), 1);
  }

  #sync(actor: Actor): void {
    const { memberId, generation, instanceId, members } = actor;
    const nonce = `${++this.#nonces}`;
    const present = this.#below(40) === 0 ? members.slice(1) : members;
    if (present !== members || members === STRANGERS) this.#promises.expectIncomplete(generation);
    const assignments = present.map((id, index) => {
      const mine = Array.from({ length: PARTITIONS }, (_, p) => p).filter((p) => p % present.length === index);
      return { memberId: id, assignment: bytes(`${generation}/${nonce}/${mine.join(",")}`) };
    });
    actor.next = "wait";
    const request = { groupId: "g", generationId: generation, memberId, groupInstanceId: instanceId };
    this.#world.group.sync(
      { ...request, protocolType: null, protocolName: null, assignments },
      client(4),
      this.#expect((answer: SyncGroupResponse) => {
        if (actor.memberId === memberId && actor.generation === generation) actor.next = "beat";
        if (answer.errorCode === errorCode.NONE) {
          this.#promises.synced(request, text(answer.assignment), this.#world.log.last);
        } else if (actor.memberId === memberId) this.#refused(actor, answer.errorCode);
      }),
    );
  }

  #beat(actor: Actor, { memberId, generation, instanceId }: Omit<Actor, "members" | "next"> = actor): void {
    const code = this.#world.heartbeat(memberId, generation, instanceId);
    if (code === errorCode.NONE || code === errorCode.REBALANCE_IN_PROGRESS) {
      this.#promises.accepted(memberId, generation);
    }
    if (code !== errorCode.NONE) this.#refused(actor, code);
  }

  #commit(actor: Actor): void {
    const { memberId, generation, instanceId } = actor;
    const code = this.#world.commit(memberId, generation, instanceId);
    if (code === errorCode.NONE) this.#promises.accepted(memberId, generation);
    else if (code !== errorCode.REBALANCE_IN_PROGRESS) this.#refused(actor, code);
  }

  #leave(actor: Actor): void {
    const { memberId, instanceId } = actor;
    const code = this.#world.leaveOne(memberId, instanceId);
    if (code === errorCode.NONE) this.#promises.left(memberId);
    this.#forget(actor);
    actor.next = "sleep";
  }

  /** As a client: joins again, under its id where that is still good. */
  #refused(actor: Actor, code: number): void {
    const isFenced = code === errorCode.FENCED_INSTANCE_ID;
    if (isFenced) this.counts.fenced++;
    const isPatient = isFenced || code === errorCode.GROUP_MAX_SIZE_REACHED;
    if (code !== errorCode.REBALANCE_IN_PROGRESS && code !== errorCode.COORDINATOR_NOT_AVAILABLE) actor.memberId = "";
    actor.next = isPatient ? "sleep" : "join";
  }

  /** Kills a client's process: it knows nothing afterwards, and its requests may still be answered. */
  #forget(actor: Actor): void {
    actor.memberId = "";
    actor.generation = -1;
    actor.next = "join";
  }

  /** A former member sends a request. */
  #haunt(): void {
    if (this.#ghosts.length === 0) return;
    const ghost = this.#pick(this.#ghosts);
    const actor: Actor = { ...ghost, generation: ghost.generation - this.#below(2), members: STRANGERS, next: "wait" };
    this.counts.stale++;
    const dice = this.#below(5);
    if (dice === 0) this.#sync(actor);
    else if (dice === 1) this.#commit(actor);
    else if (dice === 2) this.#leave(actor);
    else this.#beat(actor);
  }

  /** An administrator removes the member with an instance id. */
  #removeInstance(): void {
    this.#world.leaveOne("", this.#pick(["s0", "s1"]));
  }

  /** Another broker takes over, or this one was killed, and then no request is answered. */
  #restart(): void {
    const { log, timers, group } = this.#world;
    if (log.records.length === 0) return;
    this.counts.restarts++;
    const waiting = this.#below(2) === 0;
    if (waiting) {
      group.dispose();
      assert.deepEqual([this.#waiting.size, timers.count], [0, 0], "who waits is told");
    } else {
      this.#waiting.clear();
      for (const actor of this.#actors) if (actor.next === "wait") actor.next = "join";
      while (timers.takeExpired(Infinity) !== null);
    }
    this.#world.group = this.#make(this.#world.ports);
    const { last } = log;
    for (const record of log.records) this.#world.group.replay(record);
    this.#world.group.start();
    this.#promises.restarted(last.generation);
    assert.deepEqual([this.#world.group.generation, this.#world.group.memberCount], [
      last.generation,
      last.members.length,
    ]);
  }

  #deleteIfEmpty(): void {
    const { group, log } = this.#world;
    if (group.validateDelete() !== errorCode.NONE || log.records.length === 0) return;
    group.dispose();
    log.records.length = 0;
    this.#world.group = this.#make(this.#world.ports);
    this.#promises.deleted();
  }
}
