/**
 * A consumer group with a manual clock, a log that encodes records in Kafka's format and can refuse them, and topics that can be created
 * and deleted. It holds the group as the runtime does: it changes the protocol, and restarts the group from the log. For tests.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../../net/protocol/messages/68_consumer_group_heartbeat.ts";
import { ManualClock } from "../../../../storage/base/clock.ts";
import { Deadlines } from "../../../requests/deadlines.ts";
import { MetadataImage, type TopicImage } from "../../../metadata/image.ts";
import { ClassicGroup } from "../classic/classic_group.ts";
import { refuseConsumerHeartbeat } from "../group_refusals.ts";
import { GroupMemory } from "../group_memory.ts";
import type { ConsumerGroupSettings, GroupPorts, GroupSettings } from "../group_ports.ts";
import type { CoordinatorClient } from "../../runtime/coordinator.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";
import {
  type ConsumerGroupRecord,
  decodeGroupRecord,
  encodeGroupRecord,
  type GroupMetadataRecord,
  type GroupRecord,
} from "../records/group_record.ts";
import { passTime, testGroupSettings, testSettings } from "../group_ports_testing.ts";
import { ConsumerGroup, type Downgrade } from "./consumer_group.ts";
import { planUpgrade } from "./upgrade.ts";

/** The group id in all tests. */
export const GROUP_ID = "group";
/** Kafka's default session timeout. */
export const SESSION_MS = 45_000;
/** Rebalance timeout of members in tests. It is shorter than a session, so that tests can tell which of the two ended. */
export const REBALANCE_MS = 30_000;

/** One partition as a text: "topic-0". */
export type PartitionText = string;

/** What a test sets in a heartbeat. All other fields say "as before". */
export type HeartbeatOptions = Partial<Omit<ConsumerGroupHeartbeatRequest, "groupId" | "topicPartitions">> & {
  /** Partitions that the member reports as owned. */
  readonly owned?: readonly PartitionText[];
  readonly version?: number;
  readonly clientId?: string;
};

/** A group with its log, clock, timers and topics. */
export class TestConsumerGroup {
  readonly clock = new ManualClock();
  readonly image = new MetadataImage();
  readonly timers = new Deadlines<Timer>();
  /** All appended records, decoded from Kafka's format. */
  readonly records: GroupRecord[] = [];
  /** Number of appended batches. */
  batchesCount = 0;
  /** The code that the log answers from now on. It refuses records if this is not 0. */
  refusal: number = errorCode.NONE;
  settings: GroupSettings = testSettings;
  groupSettings: ConsumerGroupSettings = {
    ...testGroupSettings,
    sessionTimeoutMs: SESSION_MS,
    assignmentIntervalMs: 0,
  };
  readonly ports: GroupPorts;
  /** Makes consumer groups. A planted bug replaces it. */
  makeGroup: () => ConsumerGroup = () => new ConsumerGroup(this.ports, GROUP_ID, this);
  /** One append in this many is lost, 0 for none: a planted bug. */
  forgetsOneIn = 0;
  /** The current group, of either protocol; null before the first member. */
  group: ConsumerGroup | ClassicGroup | null = null;
  #nextId = 0;

  constructor() {
    const settingsOf = () => this.groupSettings;
    const getSettings = () => this.settings;
    this.ports = {
      log: { append: (records) => this.#append(records) },
      image: this.image,
      get settings() {
        return getSettings();
      },
      settingsOf,
      timers: this.timers,
      nowMs: () => this.clock.monotonicMs(),
      wallMs: () => this.clock.wallMs(),
      newId: () => `id-${this.#nextId++}`,
      memory: new GroupMemory(),
      metadataMemory: new GroupMemory(),
    };
  }

  /** The group, which must be a consumer group. */
  get consumers(): ConsumerGroup {
    assert(this.group?.type === "consumer", "the group is a consumer group");
    return this.group;
  }

  /** The group, which must be a classic one. */
  get classic(): ClassicGroup {
    assert(this.group?.type === "classic", "the group is a classic group");
    return this.group;
  }

  /** Sends a heartbeat. @returns the answer */
  heartbeat(memberId: string, memberEpoch: number, options: HeartbeatOptions = {}): ConsumerGroupHeartbeatResponse {
    const { owned, version = 1, clientId = "client", ...changes } = options;
    const request: ConsumerGroupHeartbeatRequest = {
      groupId: GROUP_ID,
      memberId,
      memberEpoch,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: owned === undefined ? null : this.#reported(owned),
      ...changes,
    };
    const client: CoordinatorClient = { clientId, clientHost: "/127.0.0.1", apiVersion: version };
    const answers: ConsumerGroupHeartbeatResponse[] = [];
    if (this.group?.type === "classic") {
      const refused = memberEpoch === 0 ? this.#upgrade() : refuseConsumerHeartbeat(errorCode.GROUP_ID_NOT_FOUND, null);
      if (refused !== null) return refused;
    }
    this.group ??= this.makeGroup();
    this.consumers.heartbeat(request, client, (answer) => answers.push(answer));
    assert.equal(answers.length, 1, "a heartbeat is answered once, at once");
    return answers[0]!;
  }

  /** Joins a member that subscribes to topics. @returns the answer */
  join(memberId: string, topics: readonly string[], options: HeartbeatOptions = {}): ConsumerGroupHeartbeatResponse {
    return this.heartbeat(memberId, 0, {
      rebalanceTimeoutMs: REBALANCE_MS,
      subscribedTopicNames: [...topics],
      owned: [],
      ...options,
    });
  }

  /** Returns the partitions of an answer's assignment in order, null if it says "as before". */
  assigned(answer: ConsumerGroupHeartbeatResponse): PartitionText[] | null {
    if (answer.assignment === null || answer.assignment === undefined) return null;
    return this.#texts(answer.assignment.topicPartitions);
  }

  /** Returns the owner of each partition by ConsumerGroupDescribe, as "topic-0" to member id. Fails if a partition has two. */
  owners(part: "assignment" | "targetAssignment" = "assignment"): Map<PartitionText, string> {
    const owners = new Map<PartitionText, string>();
    for (const member of this.consumers.describe().members) {
      for (const partition of this.#texts(member[part].topicPartitions)) {
        assert(!owners.has(partition), `${partition} belongs to ${owners.get(partition)} and ${member.memberId}`);
        owners.set(partition, member.memberId);
      }
    }
    return owners;
  }

  /** Creates topics or changes their partition counts. `null` deletes a topic. */
  setTopics(counts: Readonly<Record<string, number | null>>): void {
    const changed: TopicImage[] = [];
    const deletedIds: string[] = [];
    for (const [name, partitionsCount] of Object.entries(counts)) {
      const known = this.image.topic(name);
      if (partitionsCount === null) deletedIds.push(known!.id);
      else changed.push(topicImage(name, known?.id ?? this.#topicId(), partitionsCount));
    }
    this.image.apply({ changed, deletedIds });
    if (this.group?.type === "consumer") this.group.onImage(new Set(Object.keys(counts)));
  }

  /** Lets time pass and fires the timers that become due, in order. */
  advance(ms: number): void {
    passTime(ms, this);
  }

  /** Loads the group from the log, as after a restart. */
  restart(): void {
    this.group?.dispose();
    this.group = null;
    for (const record of this.records) this.#replay(record);
    this.group = this.group as ConsumerGroup | ClassicGroup | null;
    this.group?.start();
  }

  /** Replaces the group as the runtime does. */
  becomeClassic({ groupId, tombstones, seed, rebalance }: Downgrade): number {
    const classic = ClassicGroup.fromMembers(this.ports, groupId, seed);
    const code = this.ports.log.append([...tombstones, classic.toRecord()]);
    if (code !== errorCode.NONE) return code;
    this.group?.dispose();
    this.group = classic;
    classic.start(rebalance);
    return code;
  }

  #upgrade(): ConsumerGroupHeartbeatResponse | null {
    const plan = planUpgrade(this.ports, this.classic);
    if (!Array.isArray(plan)) return refuseConsumerHeartbeat(plan.code, plan.message);
    const code = this.ports.log.append(plan);
    if (code !== errorCode.NONE) return refuseConsumerHeartbeat(code, null);
    this.classic.dispose(errorCode.REBALANCE_IN_PROGRESS);
    const group = this.makeGroup();
    for (const record of plan) if (record.kind !== "group-metadata") group.replay(record as ConsumerGroupRecord);
    group.start();
    this.group = group;
    return null;
  }

  #append(records: readonly GroupRecord[]): number {
    if (this.refusal !== errorCode.NONE) return this.refusal;
    this.batchesCount++;
    if (this.forgetsOneIn > 0 && this.batchesCount % this.forgetsOneIn === 0) return errorCode.NONE;
    for (const record of records) {
      const { key, value } = encodeGroupRecord(record);
      const read = decodeGroupRecord(key, value);
      assert(read !== null, "written records can be read");
      this.records.push(read);
    }
    return errorCode.NONE;
  }

  #replay(record: GroupRecord): void {
    if (record.kind === "group-metadata") {
      if (record.value === null) {
        if (this.group?.type === "classic") this.group = null;
        return;
      }
      if (this.group?.type !== "classic") this.group = new ClassicGroup(this.ports, GROUP_ID);
      return (this.group as ClassicGroup).replay(record as GroupMetadataRecord);
    }
    if (record.kind === "consumer-group-metadata" && record.value === null) {
      this.group = null;
      return;
    }
    if (this.group?.type !== "consumer") {
      if (record.value === null) return;
      this.group = this.makeGroup();
    }
    (this.group as ConsumerGroup).replay(record as ConsumerGroupRecord);
  }

  #topicId(): string {
    return String(this.#nextId++).padStart(21, "t") + "A";
  }

  #texts(topics: Iterable<{ readonly topicId: string; readonly partitions: Iterable<number> }>): PartitionText[] {
    const texts: PartitionText[] = [];
    for (const { topicId, partitions } of topics) {
      const name = this.image.topicById(topicId)?.name ?? topicId;
      for (const partition of partitions) texts.push(`${name}-${partition}`);
    }
    return texts.sort();
  }

  #reported(owned: readonly PartitionText[]): { topicId: string; partitions: number[] }[] {
    const topics = new Map<string, number[]>();
    for (const text of owned) {
      const dash = text.lastIndexOf("-");
      const topicId = this.image.topic(text.slice(0, dash))?.id;
      if (topicId === undefined) continue;
      topics.set(topicId, [...topics.get(topicId) ?? [], Number(text.slice(dash + 1))]);
    }
    return Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions }));
  }
}

function topicImage(name: string, id: string, partitionsCount: number): TopicImage {
  const partitions = Array.from({ length: partitionsCount }, (_, partition) => ({
    partition,
    slot: 0,
    shard: 0,
    directory: 0,
    leader: 1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    replicas: [1],
    isr: [1],
  }));
  const logConfig = {} as TopicImage["logConfig"];
  return { name, id, isInternal: false, partitions, configs: {}, logConfig };
}
