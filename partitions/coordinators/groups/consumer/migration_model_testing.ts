/**
 * Random sequences of events of a group whose clients change one by one from the classic protocol to the consumer protocol and back.
 * Meanwhile other clients join, leave and crash, and the broker restarts. No partition may have two users. Without further events, the
 * group must become stable with all partitions in use. For tests.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import { createRandom } from "../../../../storage/base/random.ts";
import { ClassicGroup } from "../classic/classic_group.ts";
import {
  decodeConsumerAssignment,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
} from "../records/consumer_protocol.ts";
import { GROUP_ID, type PartitionText, REBALANCE_MS, SESSION_MS, TestConsumerGroup } from "./consumer_testing.ts";

interface Client {
  readonly isClassic: boolean;
  /** A cooperative client keeps its partitions while it joins again, and gives them up afterwards. */
  readonly isCooperative: boolean;
  memberId: string;
  epoch: number;
  owned: Set<PartitionText>;
  phase: "joining" | "waiting" | "syncing" | "stable";
  /** The answer that the leader got. */
  joined: JoinGroupResponse | null;
  /** The last assignment by the consumer protocol, null before the first. */
  assigned: Set<PartitionText> | null;
}

const TOPIC = "orders";
const CLIENTS_MAX = 6;
const REST_ROUNDS = 60;
const classicClient = (apiVersion: number) => ({ clientId: "classic", clientHost: "/127.0.0.1", apiVersion });

/** Runs one sequence. @param isBlind a planted bug: classic members report that they own nothing when they join */
export function runMigrations(seed: number, { steps, isBlind = false }: { steps: number; isBlind?: boolean }): void {
  const life = new Life(seed, isBlind);
  try {
    for (let step = 1; step <= steps; step++) {
      life.step();
      if (step % 200 === 0) life.rest();
    }
    life.rest();
  } catch (error) {
    throw new Error(`BARNABAS_SEED=${seed}: ${error}`, { cause: error });
  }
}

class Life {
  readonly #random: () => number;
  readonly #isBlind: boolean;
  readonly #test = new TestConsumerGroup();
  readonly #zombies = new Set<Client>();
  #clients: Client[] = [];
  #nextId = 0;

  constructor(seed: number, isBlind: boolean) {
    this.#random = createRandom(seed);
    this.#isBlind = isBlind;
    this.#test.setTopics({ [TOPIC]: 5 });
  }

  step(): void {
    const dice = this.#below(100);
    const client = this.#clients[this.#below(this.#clients.length)];
    if (dice < 8 && this.#clients.length < CLIENTS_MAX) this.#start(this.#below(2) === 0);
    else if (dice < 80 && client !== undefined) this.#go(client);
    else if (dice < 90) this.#advance(this.#below(1500));
    else if (dice < 91) this.#advance(this.#below(2 * SESSION_MS));
    else if (dice < 94 && client !== undefined) this.#leave(client);
    else if (dice < 95 && client !== undefined) this.#forget(client);
    else if (dice < 98 && client !== undefined) {
      this.#leave(client);
      this.#start(!client.isClassic);
    } else if (dice < 99) this.#restart();
    this.#check();
  }

  /** Runs without other events: the group must become stable with all partitions in use. */
  rest(): void {
    this.#advance(3 * SESSION_MS);
    for (let round = 0; round < REST_ROUNDS; round++) {
      for (const client of this.#clients) this.#go(client);
      this.#advance(1000);
      this.#check();
    }
    if (this.#clients.length === 0) return;
    const users = this.#clients.flatMap(({ owned }) => [...owned]).sort();
    assert.deepEqual(users, ["orders-0", "orders-1", "orders-2", "orders-3", "orders-4"], "all partitions are in use");
    const state = this.#test.group?.state;
    assert.equal(state, "Stable", "the group becomes stable");
    const isMixed = this.#clients.some(({ isClassic }) => !isClassic);
    assert.equal(this.#test.group!.type, isMixed ? "consumer" : "classic", "the group has the protocol of its members");
  }

  #start(isClassic: boolean): void {
    this.#clients.push({
      isClassic,
      isCooperative: this.#below(2) === 0,
      memberId: isClassic ? "" : `m${this.#nextId++}`,
      epoch: 0,
      owned: new Set(),
      phase: "joining",
      joined: null,
      assigned: null,
    });
  }

  #go(client: Client): void {
    if (!client.isClassic) return this.#beat(client);
    if (client.phase === "joining") this.#join(client);
    else if (client.phase === "syncing") this.#sync(client);
    else if (client.phase === "stable") this.#beatClassic(client);
  }

  #beat(client: Client): void {
    const owned = [...client.owned];
    const answer = client.epoch === 0
      ? this.#test.join(client.memberId, [TOPIC])
      : this.#test.heartbeat(client.memberId, client.epoch, { owned });
    this.#zombies.delete(client);
    if (answer.errorCode !== errorCode.NONE) {
      const known: number[] = [
        errorCode.FENCED_MEMBER_EPOCH,
        errorCode.UNKNOWN_MEMBER_ID,
        errorCode.GROUP_ID_NOT_FOUND,
      ];
      assert(known.includes(answer.errorCode), `error ${answer.errorCode} ${answer.errorMessage}`);
      Object.assign(client, { epoch: 0, owned: new Set(), assigned: null });
      return;
    }
    client.epoch = answer.memberEpoch;
    const assigned = this.#test.assigned(answer);
    if (assigned !== null) client.assigned = new Set(assigned);
    if (client.assigned === null) return;
    const kept = new Set(owned.filter((partition) => client.assigned!.has(partition)));
    // Giving up partitions is a separate step.
    client.owned = kept.size < owned.length ? kept : new Set(client.assigned);
  }

  #join(client: Client): void {
    this.#emptyBecomesClassic();
    this.#test.group ??= new ClassicGroup(this.#test.ports, GROUP_ID);
    if (!client.isCooperative) client.owned = new Set();
    const partitions = this.#isBlind ? [] : numbers(client.owned);
    const metadata = encodeConsumerSubscription(1, {
      topics: [TOPIC],
      userData: null,
      ownedPartitions: [{ topic: TOPIC, partitions }],
      generationId: -1,
      rackId: null,
    });
    client.phase = "waiting";
    this.#test.group.join(
      {
        groupId: GROUP_ID,
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: REBALANCE_MS,
        memberId: client.memberId,
        groupInstanceId: null,
        protocolType: "consumer",
        protocols: [{ name: "range", metadata }],
        reason: null,
      },
      classicClient(3),
      (answer) => {
        if (answer.errorCode !== errorCode.NONE) return this.#rejoin(client, answer.errorCode);
        Object.assign(client, {
          phase: "syncing",
          joined: answer,
          memberId: answer.memberId,
          epoch: answer.generationId,
        });
      },
    );
  }

  #sync(client: Client): void {
    client.phase = "waiting";
    const isLeader = client.joined!.leader === client.memberId;
    const request = {
      groupId: GROUP_ID,
      generationId: client.epoch,
      memberId: client.memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocolName: "range",
      assignments: isLeader ? lead(client.joined!) : [],
    };
    const reply = ({ errorCode: code, assignment }: { errorCode: number; assignment: Uint8Array }) => {
      if (code !== errorCode.NONE) return this.#rejoin(client, code);
      // From here on it knows its partitions, however long it was away.
      this.#zombies.delete(client);
      const given = decodeConsumerAssignment(assignment)?.value.assignedPartitions ?? [];
      const assigned = new Set(
        given.flatMap(({ partitions }) => partitions.map((partition) => `${TOPIC}-${partition}`)),
      );
      const isGivingUp = [...client.owned].some((partition) => !assigned.has(partition));
      client.owned = assigned;
      client.phase = isGivingUp ? "joining" : "stable";
    };
    if (this.#test.group === null) return this.#rejoin(client, errorCode.UNKNOWN_MEMBER_ID);
    this.#test.group.sync(request, classicClient(5), reply);
  }

  #beatClassic(client: Client): void {
    const { group } = this.#test;
    if (group === null) return this.#rejoin(client, errorCode.UNKNOWN_MEMBER_ID);
    const request = { groupId: GROUP_ID, generationId: client.epoch, memberId: client.memberId, groupInstanceId: null };
    const reply = ({ errorCode: code }: { errorCode: number }) => {
      if (code !== errorCode.NONE) this.#rejoin(client, code);
    };
    if (group.type === "classic") group.heartbeat(request, classicClient(4), reply);
    else group.classicHeartbeat(request, classicClient(4), reply);
  }

  #rejoin(client: Client, code: number): void {
    client.phase = "joining";
    // It may keep its partitions until it has joined again. With any other error it is no longer a member and has none.
    if (code === errorCode.REBALANCE_IN_PROGRESS || code === errorCode.NOT_COORDINATOR) return;
    client.owned = new Set();
    this.#zombies.delete(client);
    if (code === errorCode.UNKNOWN_MEMBER_ID) client.memberId = "";
    else assert.equal(code, errorCode.ILLEGAL_GENERATION, `error ${code}`);
  }

  #leave(client: Client): void {
    const { group } = this.#test;
    this.#forget(client);
    if (client.memberId === "" || group === null) return;
    if (client.isClassic) {
      group.leave({ groupId: GROUP_ID, memberId: client.memberId, members: [] }, classicClient(2), () => {});
    } else if (client.epoch > 0 && group.type === "consumer") this.#test.heartbeat(client.memberId, -1);
  }

  /** Resets a client that left or crashed: it owns nothing. After a crash the coordinator does not know that yet. */
  #forget(client: Client): void {
    client.owned = new Set();
    this.#clients = this.#clients.filter((other) => other !== client);
    this.#zombies.delete(client);
  }

  #restart(): void {
    this.#test.restart();
    // Connections broke: clients send waiting requests again.
    for (const client of this.#clients) if (client.phase === "waiting") client.phase = "joining";
  }

  /** Replaces an empty group as the runtime does. */
  #emptyBecomesClassic(): void {
    const { group } = this.#test;
    if (group?.type !== "consumer" || group.memberCount > 0) return;
    this.#test.ports.log.append(group.tombstones());
    group.dispose();
    this.#test.group = null;
  }

  #advance(ms: number): void {
    this.#test.advance(ms);
    for (const client of this.#clients) if (!this.#isMember(client)) this.#zombies.add(client);
  }

  #isMember({ memberId }: Client): boolean {
    const { group } = this.#test;
    if (group === null) return false;
    const members = group.type === "classic" ? [...group.members()] : group.describe().members;
    return [...members].some((member) => member.memberId === memberId);
  }

  #check(): void {
    if (this.#test.group?.type === "consumer") this.#test.owners();
    const users = new Map<PartitionText, string>();
    for (const client of this.#clients) {
      // A client that was away for longer than a session does not know yet that others have its partitions.
      if (this.#zombies.has(client)) continue;
      for (const partition of client.owned) {
        assert(!users.has(partition), `${partition} is used by ${users.get(partition)} and ${client.memberId}`);
        users.set(partition, client.memberId);
      }
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

/** Assigns as a leader: in turn, but no partition that another member still has. */
function lead({ members }: JoinGroupResponse): { memberId: string; assignment: Uint8Array }[] {
  const all = [...members].map(({ memberId, metadata }) => ({
    memberId,
    owned: decodeConsumerSubscription(metadata)!.value.ownedPartitions.flatMap(({ partitions }) => partitions),
    given: [] as number[],
  }));
  for (let partition = 0; partition < 5; partition++) {
    const member = all[partition % all.length]!;
    if (all.every((other) => other === member || !other.owned.includes(partition))) member.given.push(partition);
  }
  return all.map(({ memberId, given }) => ({
    memberId,
    assignment: encodeConsumerAssignment(1, {
      assignedPartitions: [{ topic: TOPIC, partitions: given }],
      userData: null,
    }),
  }));
}

function numbers(owned: Iterable<PartitionText>): number[] {
  return Array.from(owned, (text) => Number(text.slice(TOPIC.length + 1)));
}
