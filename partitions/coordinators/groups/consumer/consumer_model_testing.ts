/**
 * Random sequences of events of a consumer group: clients follow the protocol, lose answers, crash, pause and come back; topics are
 * created and deleted; the log refuses records; the broker restarts. The model checks after every step what must hold. For tests.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import { createRandom } from "../../../../storage/base/random.ts";
import { ConsumerGroup } from "./consumer_group.ts";
import { type HeartbeatOptions, type PartitionText, REBALANCE_MS, TestConsumerGroup } from "./consumer_testing.ts";

/** What a planted bug changes. */
export interface Plant {
  /** Makes the groups that are tested. */
  readonly make?: (test: TestConsumerGroup) => ConsumerGroup;
  /** One append in this many is lost. */
  readonly forgets?: number;
}

interface Client {
  readonly memberId: string;
  readonly instanceId: string | null;
  epoch: number;
  owned: Set<PartitionText>;
  /** The assignment of the last answer, null before the first. */
  assigned: Set<PartitionText> | null;
  names: string[];
  regex: string;
  assignor: string | null;
  /** A crashed process owns nothing and sends nothing. A paused one still believes that it owns its partitions. */
  state: "running" | "paused" | "crashed";
  /** A full request is due. */
  isFullDue: boolean;
}

const CLIENTS_MAX = 7;
const TOPICS = ["alpha", "beta", "gamma", "delta"];
const REGEXES = ["alpha|beta", ".*a", "d.*"];
/** Twice as many as the slowest sequence needs, which waits 10 s until regular expressions are resolved again. */
const REST_ROUNDS = 30;
/** Topic ids of tests begin with this. A partition of a topic without a name is written with the topic id. */
const UNKNOWN_TOPIC = "ttt";

/** Runs one sequence. @throws an error that names the seed if a check fails */
export function runSequence(seed: number, { steps, plant = {} }: { steps: number; plant?: Plant }): void {
  const life = new Life(seed, plant);
  try {
    for (let step = 1; step <= steps; step++) {
      life.step();
      if (step % 400 === 0) life.calm();
    }
    life.calm();
  } catch (error) {
    throw new Error(`BARNABAS_SEED=${seed}: ${error}`, { cause: error });
  }
}

class Life {
  readonly #random: () => number;
  readonly #test = new TestConsumerGroup();
  /** Balance is checked only if all use `uniform`: a member that prefers another assignor causes no new assignment by itself. */
  readonly #assignors: readonly string[];
  #clients: Client[] = [];
  #nextId = 0;
  #groupEpoch = 0;
  #assignmentEpoch = 0;
  /** Clients that were paused for longer than a session: they may use partitions that others got since. */
  readonly #zombies = new Set<Client>();

  constructor(seed: number, plant: Plant) {
    this.#random = createRandom(seed);
    const { make } = plant;
    if (make !== undefined) this.#test.makeGroup = () => make(this.#test);
    this.#test.forgetsOneIn = plant.forgets ?? 0;
    this.#test.groupSettings = { ...this.#test.groupSettings, assignmentIntervalMs: this.#below(2) * 1000 };
    this.#test.setTopics({ alpha: 3, beta: 4 });
    this.#assignors = this.#below(2) === 0 ? ["uniform"] : ["uniform", "range"];
  }

  step(): void {
    const dice = this.#below(100);
    const client = this.#clients[this.#below(this.#clients.length)];
    if (dice < 6 && this.#clients.length < CLIENTS_MAX) this.#start();
    else if (dice < 60 && client !== undefined) this.#beat(client);
    else if (dice < 70) this.#advance(this.#below(3000));
    else if (dice < 71) this.#advance(this.#below(60_000));
    else if (dice < 75 && client !== undefined) this.#leave(client);
    else if (dice < 78 && client !== undefined) this.#crash(client);
    else if (dice < 81 && client !== undefined) this.#pause(client);
    else if (dice < 85 && client !== undefined) this.#subscribe(client);
    else if (dice < 89) this.#changeTopics();
    else if (dice < 90) this.#test.refusal = this.#below(2) === 0 ? errorCode.NONE : errorCode.NOT_COORDINATOR;
    else if (dice < 92) this.#restartAndCompare();
    this.#check();
  }

  /** Runs heartbeats without other events: the group must reach a full and balanced assignment. */
  calm(): void {
    this.#test.refusal = errorCode.NONE;
    this.#advance(120_000);
    for (const client of this.#clients) {
      if (client.state === "paused") this.#resume(client);
    }
    this.#rest();
    this.#changeTopics();
    this.#rest();
  }

  #rest(): void {
    for (let round = 0; round < REST_ROUNDS; round++) {
      for (const client of this.#clients) {
        if (client.state === "running") this.#beat(client, { isLossy: false });
      }
      this.#advance(2000);
      this.#check();
    }
    this.#checkSettled();
  }

  #start(): void {
    const instanceId = this.#below(3) === 0 ? `static-${this.#below(3)}` : null;
    if (instanceId !== null && this.#clients.some((client) => client.instanceId === instanceId)) return;
    const memberId = `m${this.#nextId++}`;
    const isRegex = this.#below(4) === 0;
    const client: Client = {
      memberId,
      instanceId,
      epoch: 0,
      owned: new Set(),
      assigned: null,
      names: isRegex ? [] : this.#someTopics(),
      regex: isRegex ? this.#pick(REGEXES) : "",
      assignor: this.#below(4) === 0 ? this.#pick(this.#assignors) : null,
      state: "running",
      isFullDue: true,
    };
    this.#clients.push(client);
    this.#beat(client);
  }

  /** Sends a heartbeat and applies the answer to the client. */
  #beat(client: Client, { isLossy = true } = {}): void {
    if (client.state !== "running") return;
    const isRejoin = client.epoch === 0;
    if (isRejoin) client.owned = new Set();
    const options: HeartbeatOptions = {
      instanceId: client.instanceId,
      ...(isRejoin || client.isFullDue ? this.#full(client) : {}),
      ...(isRejoin || client.isFullDue || this.#below(2) === 0 ? { owned: [...client.owned] } : {}),
    };
    const answer = this.#test.heartbeat(client.memberId, client.epoch, options);
    // The answer is lost. The client times out, and its next request is a full one.
    if (isLossy && this.#below(12) === 0) {
      client.isFullDue = true;
      return;
    }
    switch (answer.errorCode) {
      case errorCode.NONE:
        client.isFullDue = false;
        break;
      case errorCode.FENCED_MEMBER_EPOCH:
      case errorCode.UNKNOWN_MEMBER_ID:
      case errorCode.GROUP_ID_NOT_FOUND:
        return this.#fenced(client);
      case errorCode.UNRELEASED_INSTANCE_ID:
      case errorCode.FENCED_INSTANCE_ID:
        // Another member has the instance id. This process ends, as real consumers do.
        return this.#forget(client);
      case errorCode.NOT_COORDINATOR:
        client.isFullDue = true;
        return;
      default:
        assert.fail(`error ${answer.errorCode} ${answer.errorMessage}`);
    }
    assert.equal(answer.memberId, client.memberId);
    assert(answer.memberEpoch >= client.epoch, "a member's epoch never goes back");
    client.epoch = answer.memberEpoch;
    const assigned = this.#test.assigned(answer);
    // A client waits for the names of topics that it does not know. Names of deleted topics never arrive.
    if (assigned !== null) {
      client.assigned = new Set(assigned.filter((partition) => !partition.startsWith(UNKNOWN_TOPIC)));
    }
    this.#zombies.delete(client);
    this.#reconcile(client);
  }

  /** Gives up partitions first, and takes new ones in a later step: a heartbeat in between reports what it gave up. */
  #reconcile(client: Client): void {
    const { assigned, owned } = client;
    if (assigned === null) return;
    const kept = new Set([...owned].filter((partition) => assigned.has(partition)));
    if (kept.size < owned.size) {
      // It commits first, and gives up partitions in a later step.
      if (this.#below(3) > 0) client.owned = kept;
      return;
    }
    client.owned = new Set(assigned);
  }

  #full(client: Client): HeartbeatOptions {
    return {
      rebalanceTimeoutMs: REBALANCE_MS,
      subscribedTopicNames: client.names,
      subscribedTopicRegex: client.regex,
      serverAssignor: client.assignor,
    };
  }

  #fenced(client: Client): void {
    client.epoch = 0;
    client.owned = new Set();
    client.assigned = null;
    client.isFullDue = true;
    this.#zombies.delete(client);
  }

  #leave(client: Client): void {
    if (client.state !== "running" || client.epoch === 0) return;
    client.owned = new Set();
    const epoch = client.instanceId !== null && this.#below(2) === 0 ? -2 : -1;
    const answer = this.#test.heartbeat(client.memberId, epoch, { instanceId: client.instanceId });
    if (answer.errorCode === errorCode.NONE) assert.equal(answer.memberEpoch, epoch);
    this.#forget(client);
  }

  #crash(client: Client): void {
    client.owned = new Set();
    this.#forget(client);
  }

  #pause(client: Client): void {
    if (client.state === "running") client.state = "paused";
    else this.#resume(client);
  }

  #resume(client: Client): void {
    client.state = "running";
    this.#beat(client, { isLossy: false });
  }

  #subscribe(client: Client): void {
    if (this.#below(4) === 0) {
      client.regex = client.regex === "" ? this.#pick(REGEXES) : "";
      client.names = client.regex === "" ? this.#someTopics() : [];
    } else if (client.regex === "") client.names = this.#someTopics();
    client.isFullDue = true;
  }

  #changeTopics(): void {
    const name = this.#pick(TOPICS);
    const known = this.#test.image.topic(name);
    if (known === undefined) this.#test.setTopics({ [name]: 1 + this.#below(6) });
    else if (this.#below(2) === 0) this.#test.setTopics({ [name]: known.partitions.length + 1 + this.#below(3) });
    else {
      this.#test.setTopics({ [name]: null });
      // A client drops partitions of deleted topics.
      for (const client of this.#clients) {
        for (const partition of client.owned) if (partition.startsWith(`${name}-`)) client.owned.delete(partition);
        for (const partition of client.assigned ?? []) {
          if (partition.startsWith(`${name}-`)) client.assigned?.delete(partition);
        }
      }
    }
  }

  #advance(ms: number): void {
    this.#test.advance(ms);
    for (const client of this.#clients) {
      if (!this.#isMember(client)) this.#zombies.add(client);
    }
  }

  #restartAndCompare(): void {
    const before = this.#snapshot();
    this.#test.restart();
    assert.deepEqual(this.#snapshot(), before, "a restart changes nothing");
  }

  #snapshot(): unknown {
    if (this.#test.group === null) return null;
    const group = this.#test.consumers;
    if (group.isVacant) return null;
    const described = group.describe();
    const members = [...described.members].map((member) => ({
      ...member,
      assignment: sorted(member.assignment.topicPartitions),
      targetAssignment: sorted(member.targetAssignment.topicPartitions),
    }));
    return { ...described, members: members.sort((a, b) => a.memberId < b.memberId ? -1 : 1) };
  }

  #isMember({ memberId }: Client): boolean {
    return this.#test.group !== null &&
      this.#test.consumers.describe().members.some((member) => member.memberId === memberId);
  }

  #check(): void {
    if (this.#test.group === null) return;
    const { groupEpoch, assignmentEpoch, members } = this.#test.consumers.describe();
    assert(groupEpoch >= this.#groupEpoch, "the group's epoch never goes back");
    assert(assignmentEpoch >= this.#assignmentEpoch, "the assignment's epoch never goes back");
    assert(assignmentEpoch <= groupEpoch, "an assignment is for an epoch of the group");
    this.#groupEpoch = groupEpoch;
    this.#assignmentEpoch = assignmentEpoch;
    for (const { memberEpoch } of members) assert(memberEpoch <= assignmentEpoch, "members follow the assignment");
    const owners = this.#test.owners();
    this.#test.owners("targetAssignment");
    for (const client of this.#clients) {
      if (this.#zombies.has(client)) continue;
      for (const partition of client.owned) {
        assert.equal(
          owners.get(partition),
          client.memberId,
          `${client.memberId} uses ${partition}, which is not its own`,
        );
      }
    }
  }

  #checkSettled(): void {
    if (this.#test.group === null || this.#clients.length === 0) return;
    const group = this.#test.consumers;
    assert.equal(group.state, "Stable", "the group becomes stable");
    const owners = this.#test.owners();
    const loads = new Map(this.#clients.map((client) => [client, client.owned.size]));
    for (const name of TOPICS) {
      const topic = this.#test.image.topic(name);
      const subscribers = this.#clients.filter((client) => this.#subscribes(client, name));
      if (topic === undefined || subscribers.length === 0) continue;
      const least = Math.min(...subscribers.map((client) => loads.get(client)!));
      for (const { partition } of topic.partitions) {
        const owner = owners.get(`${name}-${partition}`);
        const client = subscribers.find(({ memberId }) => memberId === owner);
        assert(client !== undefined, `${name}-${partition} belongs to ${owner}, who should not have it`);
        assert(client.owned.has(`${name}-${partition}`), `${owner} does not know of ${name}-${partition}`);
        if (this.#assignors.length > 1) continue;
        assert(loads.get(client)! - least <= 1, `${name}-${partition} should move from ${owner}`);
      }
    }
  }

  #subscribes({ names, regex }: Client, name: string): boolean {
    return names.includes(name) || (regex !== "" && new RegExp(`^(?:${regex})$`).test(name));
  }

  #forget(client: Client): void {
    this.#clients = this.#clients.filter((other) => other !== client);
    this.#zombies.delete(client);
  }

  #someTopics(): string[] {
    const topics = TOPICS.filter(() => this.#below(2) === 0);
    return topics.length === 0 ? ["alpha"] : topics;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)]!;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

function sorted(topics: Iterable<{ readonly topicId: string; readonly partitions: Iterable<number> }>): string[] {
  return Array.from(topics, ({ topicId, partitions }) => `${topicId} ${[...partitions].sort((a, b) => a - b)}`).sort();
}
