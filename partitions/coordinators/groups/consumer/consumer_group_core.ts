/**
 * What all requests of a consumer group share: its state, its log, the timers of members, and the removal of members. Runs on the shard
 * that owns the group's partition of `__consumer_offsets`.
 *
 * What must always hold: the state changes only by records that were appended; every member has a session timer.
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
  /** Tombstones of all the consumer group's records. */
  readonly tombstones: readonly GroupRecord[];
  /** The initial state of the classic group. */
  readonly seed: ClassicGroupSeed;
  /** Whether all members have to join again. */
  readonly rebalance: boolean;
}

/** The owner of the group, which can replace it. */
export interface ConsumerGroupHolder {
  /**
   * Makes the classic group from its seed, and appends the tombstones and its record as one batch. If that succeeds, it disposes of the
   * consumer group, puts the classic group in its place and starts it.
   * @returns Kafka's error code for the client, 0 for success
   */
  becomeClassic(downgrade: Downgrade): number;
}

/** If the log refuses the removal of a member, it is tried again after this time. */
const FENCE_RETRY_MS = 1000;

/** Plans the downgrade that becomes possible when members leave. It returns null if there is none. */
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

  /** Appends records and applies them. @returns Kafka's error code for the client, 0 for success */
  append(records: readonly GroupRecord[]): number {
    if (records.length === 0) return 0;
    const code = this.ports.log.append(records);
    if (code !== 0) return code;
    for (const record of records) this.replay(record as ConsumerGroupRecord);
    return 0;
  }

  /** Appends the topics of resolved expressions, a record at a time: a record that is too large does not stop the others. */
  appendEach(expressions: readonly GroupRecord[]): void {
    for (const record of expressions) if (this.append([record]) !== 0) this.regexes.postpone();
  }

  /** Applies a record. */
  replay(record: ConsumerGroupRecord): void {
    this.state.replay(record);
    if (record.kind === "consumer-group-member-metadata" && record.value === null) {
      this.#stopTimers(record.key.memberId);
    }
  }

  /** Starts the sessions of all members, after the group was loaded or made. */
  start(): void {
    for (const member of this.state.members.values()) {
      this.keepAlive(member);
      this.limitRevocation(member);
    }
  }

  /** Cancels all timers. No request waits for an answer. */
  stop(): void {
    this.regexes.stop();
    for (const memberId of [...this.#timers.keys()]) this.#stopTimers(memberId);
    this.state.dispose();
  }

  /** Restarts the session of a member that sent a request. */
  keepAlive(member: Member): void {
    const timeoutMs = member.classic?.sessionTimeoutMs ?? this.ports.settingsOf(this.groupId).sessionTimeoutMs;
    this.timersOf(member.memberId).session.set(this.ports.nowMs() + timeoutMs);
  }

  /** Sets or cancels the time limit for giving up partitions. Classic members have other limits. */
  limitRevocation(member: Member): void {
    const timers = this.timersOf(member.memberId);
    timers.cancelOthersThan(member.classic === null ? "consumer" : "classic");
    if (member.classic !== null) return;
    if (member.state === memberState.UNREVOKED_PARTITIONS) {
      timers.rebalance.set(this.ports.nowMs() + Math.max(member.rebalanceTimeoutMs, 0));
    } else if (timers.isRebalancing) timers.rebalance.cancel();
  }

  /** Returns the timers of a member, and makes them if needed. */
  timersOf(memberId: string): MemberTimers {
    let timers = this.#timers.get(memberId);
    if (timers === undefined) {
      timers = new MemberTimers(this.ports.timers, () => this.#expire(memberId));
      this.#timers.set(memberId, timers);
    }
    return timers;
  }

  /** Removes members from the group. @returns Kafka's error code, 0 for success */
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

  /** Writes a finished resolution to the log, with a new group epoch if topics changed. */
  #finishRegexJob(): void {
    const { groupId, state, ports } = this;
    const found = this.regexes.takeResults();
    if (!ports.memory.hasRoomFor(found.growthBytes)) return this.regexes.postpone();
    const resolved = [...found.records(groupId, state.subscriptions)];
    const { isLarge } = found;
    const records = isLarge ? [] : [...resolved];
    const hash = hashTopics(ports.image, state.subscriptions.topicsAfter([], [], found.changes));
    if (found.changes.size > 0 || hash !== state.topicsHash) {
      records.push(groupEpochRecord(groupId, state.groupEpoch + 1, hash));
    }
    if (this.append(records) !== 0) this.regexes.postpone();
    else if (isLarge) this.appendEach(resolved); // after the new epoch: if the broker crashes in between, they are resolved again
    if (this.regexes.isDue) this.regexes.begin(); // expressions of members that joined meanwhile
  }
}
