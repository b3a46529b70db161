/**
 * The heart of a consumer group that its requests share: state, log, timers of members, and the way out for members. Runs on the
 * shard that owns the group's partition of `__consumer_offsets`.
 *
 * What must always hold: the state changes by records that were appended, and in no other way; every member has a session.
 */
import type { GroupPorts } from "../group_ports.ts";
import type { ConsumerGroupRecord, GroupRecord } from "../records/group_record.ts";
import type { ClassicGroupSeed } from "../classic/classic_group.ts";
import { type Member, memberState } from "./consumer_member.ts";
import { ConsumerState } from "./consumer_state.ts";
import { groupEpochRecord, memberTombstones, regexRecord } from "./member_records.ts";
import { MemberTimers } from "./member_timers.ts";
import { RegexResolver } from "./regex_resolver.ts";
import { hashTopics } from "./topics_hash.ts";

/** A consumer group whose members all use the classic protocol becomes a classic group. */
export interface Downgrade {
  readonly groupId: string;
  /** Make the log forget the consumer group. */
  readonly tombstones: readonly GroupRecord[];
  /** What the classic group begins with. */
  readonly seed: ClassicGroupSeed;
  /** Whether everybody is to join again. */
  readonly rebalance: boolean;
}

/** Who holds the group and can put another in its place. */
export interface ConsumerGroupHolder {
  /**
   * Makes the classic group out of its seed, appends the tombstones and its record as one batch and, when that says 0, puts it in
   * the place of the consumer group, which it disposes of, and starts it.
   * @returns Kafka's error code for the client, 0 when it is done
   */
  becomeClassic(downgrade: Downgrade): number;
}

/** A member that could not be put out, because the log refused it, is tried again so much later. */
const FENCE_RETRY_MS = 1000;

/** Plans the downgrade that the leaving of members allows, null when it is none. */
export type PlanDowngrade = (core: ConsumerGroupCore, leaving: ReadonlySet<Member>) => Downgrade | null;

/** What the requests of one consumer group share. */
export class ConsumerGroupCore {
  readonly ports: GroupPorts;
  readonly groupId: string;
  readonly holder: ConsumerGroupHolder;
  readonly state: ConsumerState;
  readonly regexes: RegexResolver;
  /** Topics changed, or the group was loaded: the next heartbeat compares the hash of topics. */
  isTopicCheckDue = true;
  readonly #planDowngrade: PlanDowngrade;
  readonly #timers = new Map<string, MemberTimers>();

  constructor(ports: GroupPorts, groupId: string, holder: ConsumerGroupHolder, planDowngrade: PlanDowngrade) {
    this.ports = ports;
    this.groupId = groupId;
    this.holder = holder;
    this.state = new ConsumerState(groupId, { assignors: ports.settings.consumerAssignors, memory: ports.memory });
    this.#planDowngrade = planDowngrade;
    this.regexes = new RegexResolver(ports, this.state.subscriptions, () => this.#finishRegexJob());
  }

  /** Appends records and takes them on. @returns Kafka's error code for the client, 0 when it is done */
  append(records: readonly GroupRecord[]): number {
    if (records.length === 0) return 0;
    const code = this.ports.log.append(records);
    if (code !== 0) return code;
    for (const record of records) this.replay(record as ConsumerGroupRecord);
    return 0;
  }

  /** Appends what expressions stand for, one by one: a record that is too large keeps none of the others from the log. */
  appendEach(expressions: readonly GroupRecord[]): void {
    for (const record of expressions) if (this.append([record]) !== 0) this.regexes.putOff();
  }

  /** Takes on what a record says. */
  replay(record: ConsumerGroupRecord): void {
    this.state.replay(record);
    if (record.kind === "consumer-group-member-metadata" && record.value === null) {
      this.#stopTimers(record.key.memberId);
    }
  }

  /** The group has been loaded, or made: sessions begin. */
  start(): void {
    for (const member of this.state.members.values()) {
      this.keepAlive(member);
      this.limitRevocation(member);
    }
  }

  /** No answer is owed; timers end. */
  stop(): void {
    this.regexes.stop();
    for (const memberId of [...this.#timers.keys()]) this.#stopTimers(memberId);
    this.state.dispose();
  }

  /** A member was heard of. */
  keepAlive(member: Member): void {
    const timeoutMs = member.classic?.sessionTimeoutMs ?? this.ports.settingsOf(this.groupId).sessionTimeoutMs;
    this.timersOf(member.memberId).session.set(this.ports.nowMs() + timeoutMs);
  }

  /** Sets or ends the time that a member has to give up partitions. Members of the classic protocol have others. */
  limitRevocation(member: Member): void {
    const timers = this.timersOf(member.memberId);
    timers.keepThoseOf(member.classic === null ? "consumer" : "classic");
    if (member.classic !== null) return;
    if (member.state === memberState.UNREVOKED_PARTITIONS) {
      timers.rebalance.set(this.ports.nowMs() + Math.max(member.rebalanceTimeoutMs, 0));
    } else if (timers.isRebalancing) timers.rebalance.cancel();
  }

  /** The timers of a member. */
  timersOf(memberId: string): MemberTimers {
    let timers = this.#timers.get(memberId);
    if (timers === undefined) {
      timers = new MemberTimers(this.ports.timers, () => this.#expire(memberId));
      this.#timers.set(memberId, timers);
    }
    return timers;
  }

  /** Puts members out of the group. @returns Kafka's error code, 0 when they are out */
  fence(members: ReadonlySet<Member>): number {
    if (members.size === 0) return 0;
    const downgrade = this.#planDowngrade(this, members);
    if (downgrade !== null) return this.holder.becomeClassic(downgrade);
    const { groupId, state } = this;
    const { subscriptions } = state;
    const leaving = [...members];
    const records = leaving.flatMap(({ memberId }) => memberTombstones(groupId, memberId));
    for (const expression of new Set(leaving.map(({ topicRegex }) => topicRegex))) {
      const left = leaving.filter(({ topicRegex }) => topicRegex === expression).length;
      if (expression !== "" && subscriptions.membersOf(expression) === left) {
        records.push(regexRecord(groupId, expression, null));
      }
    }
    const epoch = state.groupEpoch + 1;
    const hash = hashTopics(this.ports.image, subscriptions.topicsAfter(leaving, [], new Map()));
    records.push(groupEpochRecord(groupId, epoch, hash));
    return this.append(records);
  }

  #expire(memberId: string): void {
    const member = this.state.members.get(memberId);
    if (member === undefined) return;
    if (this.fence(new Set([member])) === 0) return;
    this.timersOf(memberId).session.set(this.ports.nowMs() + FENCE_RETRY_MS);
  }

  #stopTimers(memberId: string): void {
    this.#timers.get(memberId)?.stop();
    this.#timers.delete(memberId);
  }

  /** A resolution is done: the log is told, and the group if topics changed. */
  #finishRegexJob(): void {
    const { groupId, state, ports } = this;
    const found = this.regexes.takeResults();
    if (!ports.memory.hasRoomFor(found.growthBytes)) return this.regexes.putOff();
    const resolved = [...found.records(groupId, state.subscriptions)];
    const { isLarge } = found;
    const records = isLarge ? [] : [...resolved];
    const hash = hashTopics(ports.image, state.subscriptions.topicsAfter([], [], found.changes));
    if (found.changes.size > 0 || hash !== state.topicsHash) {
      records.push(groupEpochRecord(groupId, state.groupEpoch + 1, hash));
    }
    if (this.append(records) !== 0) this.regexes.putOff();
    else if (isLarge) this.appendEach(resolved); // behind the new epoch: after a crash in between they are resolved again
    if (this.regexes.isDue) this.regexes.begin(); // of members that joined meanwhile
  }
}
