/**
 * One partition of `__consumer_offsets`: its groups by id, and their committed offsets (offsets/). It decides which kind of group a
 * request creates, and keeps groups consistent with the log. Runs on the shard that owns the partition. Its state comes only from the
 * records.
 *
 * A group with only committed offsets, or whose offsets were removed recently (emptied_groups.ts), has no object of its own. It is an
 * empty classic group without a protocol type (Kafka's "simple group") and is made when a request needs it. There may be very many.
 *
 * Source: Kafka's GroupCoordinatorShard, GroupMetadataManager.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { DescribedGroup } from "../../../net/protocol/messages/15_describe_groups.ts";
import type { ListedGroup } from "../../../net/protocol/messages/16_list_groups.ts";
import { ClassicGroup } from "./classic/classic_group.ts";
import { ConsumerGroup, type ConsumerGroupHolder, type Downgrade } from "./consumer/consumer_group.ts";
import { JOIN_EPOCH } from "./consumer/consumer_member.ts";
import { refuseMalformedHeartbeat } from "./consumer/heartbeat_rules.ts";
import { refuseRegex } from "./consumer/membership.ts";
import { planUpgrade } from "./consumer/upgrade.ts";
import { Commits } from "./offsets/commits.ts";
import { GroupOffsets } from "./offsets/group_offsets.ts";
import { type GroupFilter, listGroups } from "./group_listing.ts";
import type { GroupRequest, GroupResponse } from "./group_apis.ts";
import {
  refuseConsumerDescription,
  refuseConsumerHeartbeat,
  refuseDescription,
  refuseGroupRequest,
} from "./group_refusals.ts";
import { surveyPartition } from "./group_survey.ts";
import type { SurveyedGroups } from "../../requests/surveyed_groups.ts";
import { type Group, KeptGroups } from "./kept_groups.ts";
import type { BackgroundWork } from "../runtime/background_work.ts";
import type { RecordLog } from "../runtime/record_log.ts";
import type { DeletedTopic, StateMachine } from "../runtime/state_machine.ts";
import type { GroupPorts } from "./group_ports.ts";
import type { CoordinatorClient, Reply } from "../runtime/coordinator.ts";
import type { ConsumerGroupRecord, GroupRecord } from "./records/group_record.ts";

/** The first version of DescribeGroups that answers GROUP_ID_NOT_FOUND (KIP-1043). */
const DESCRIBE_NOT_FOUND_VERSION = 6;

/** How many groups a step starts after loading. Each takes up to a microsecond. */
const GROUPS_PER_STEP = 500;

/** Why a group cannot be made. */
interface Refused {
  readonly code: number;
  readonly message: string | null;
}

/** The state of one partition of `__consumer_offsets`. */
export class GroupPartition implements StateMachine<GroupRecord>, ConsumerGroupHolder {
  /** OffsetFetch, OffsetDelete, and what happens to offsets without a request. */
  readonly offsets: GroupOffsets;
  /** OffsetCommit. */
  readonly commits: Commits;
  readonly #ports: GroupPorts;
  readonly #log: RecordLog<GroupRecord>;
  readonly #groups: KeptGroups;
  readonly #apply = (record: GroupRecord) => this.replay(record);
  readonly #applyAll = (records: readonly GroupRecord[]) => records.forEach(this.#apply);

  /** @param ports the ports of the groups, and the whole log */
  constructor(ports: GroupPorts & { readonly log: RecordLog<GroupRecord> }, background: BackgroundWork) {
    const { log } = ports;
    const findGroup = (groupId: string) => this.#find(groupId);
    this.#ports = ports;
    this.#log = log;
    this.#groups = new KeptGroups(ports.memory);
    this.offsets = new GroupOffsets({
      ports,
      log,
      background,
      groups: this.#groups,
      findGroup,
      append: (records) => this.#appendAll(records),
    });
    this.commits = new Commits({
      offsets: this.offsets.committed,
      log,
      wallMs: ports.wallMs,
      hasGroup: (groupId) => this.#groups.has(groupId),
      findGroup,
    });
  }

  /** Groups that have an object. */
  get groupsCount(): number {
    return this.#groups.size;
  }

  /** Adds its groups to a survey, in steps. */
  survey(into: SurveyedGroups): Generator<void, void> {
    return surveyPartition({ groups: this.#groups, offsets: this.offsets }, into);
  }

  /** JoinGroup. It turns a consumer group without members into a classic one. */
  join(request: GroupRequest<11>, client: CoordinatorClient, reply: Reply<GroupResponse<11>>): void {
    const { groupId } = request;
    const known = this.#groups.get(groupId);
    if (known?.type === "consumer" && known.memberCount === 0) {
      const code = this.#remove(known);
      if (code !== errorCode.NONE) return reply(refuseGroupRequest(11, request, code));
    }
    const group = this.#groups.get(groupId) ?? this.#groups.keep(new ClassicGroup(this.#ports, groupId));
    group.join(request, client, reply);
    this.#groups.forgetVacant(group);
  }

  /** SyncGroup. */
  sync(request: GroupRequest<14>, client: CoordinatorClient, reply: Reply<GroupResponse<14>>): void {
    this.#groupOrVacant(request.groupId).sync(request, client, reply);
  }

  /** Heartbeat. The response may be reused: it is valid only during the reply. */
  heartbeat(request: GroupRequest<12>, client: CoordinatorClient, reply: Reply<GroupResponse<12>>): void {
    const group = this.#groupOrVacant(request.groupId);
    if (group.type === "classic") group.heartbeat(request, client, reply);
    else group.classicHeartbeat(request, client, reply);
  }

  /** LeaveGroup. */
  leave(request: GroupRequest<13>, client: CoordinatorClient, reply: Reply<GroupResponse<13>>): void {
    const group = this.#groupOrVacant(request.groupId);
    group.leave(request, client, reply);
    this.#groups.forgetVacant(group);
  }

  /** ConsumerGroupHeartbeat. A joining member creates the group, or turns a classic group into a consumer group. */
  consumerHeartbeat(request: GroupRequest<68>, client: CoordinatorClient, reply: Reply<GroupResponse<68>>): void {
    const known = this.#groups.get(request.groupId);
    if (known?.type === "consumer") {
      known.heartbeat(request, client, reply);
      return this.#groups.forgetVacant(known);
    }
    const malformed = refuseMalformedHeartbeat(request, client.apiVersion, this.#ports.settings.consumerAssignors);
    if (malformed !== null) return reply(malformed);
    // A classic group must not change for a member that is refused.
    const refusal = known === undefined ? null : refuseRegex(request.subscribedTopicRegex);
    if (refusal !== null) return reply(refuseConsumerHeartbeat(refusal.code, refusal.message));
    const group = this.#makeConsumerGroup(request, known);
    if (!(group instanceof ConsumerGroup)) return reply(refuseConsumerHeartbeat(group.code, group.message));
    group.heartbeat(request, client, reply);
    this.#groups.forgetVacant(group);
  }

  /** Whether there is such a group. */
  has(groupId: string): boolean {
    this.#log.writeGathered();
    return this.#find(groupId) !== undefined;
  }

  /**
   * One group of DeleteGroups, in steps. Its offsets are removed first; a group that a member joins meanwhile stays.
   * @returns Kafka's error code
   */
  *deleteGroup(groupId: string): Generator<void, number> {
    for (let isFirst = true;; isFirst = false) {
      this.#log.writeGathered();
      const group = this.#find(groupId);
      if (group === undefined) return isFirst ? errorCode.GROUP_ID_NOT_FOUND : errorCode.NONE;
      const { records, isLast } = this.offsets.committed.tombstones(groupId);
      const refused = group.validateDelete();
      if (refused !== errorCode.NONE) return refused;
      const code = this.#appendAll(isLast ? [...records, ...group.tombstones()] : records);
      if (code !== errorCode.NONE || isLast) return code;
      yield;
    }
  }

  /** One group of DescribeGroups. */
  describe(groupId: string, apiVersion: number): DescribedGroup {
    const group = this.#find(groupId);
    if (group?.type === "classic") return group.describe();
    const dead = { groupState: "Dead" };
    if (apiVersion < DESCRIBE_NOT_FOUND_VERSION) return { ...refuseDescription(groupId, errorCode.NONE), ...dead };
    const why = group === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a classic group.`;
    return { ...refuseDescription(groupId, errorCode.GROUP_ID_NOT_FOUND, why), ...dead };
  }

  /** One group of ConsumerGroupDescribe. */
  describeConsumerGroup(groupId: string): GroupResponse<69>["groups"][number] {
    const group = this.#find(groupId);
    if (group?.type === "consumer") return group.describe();
    const why = group === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`;
    return refuseConsumerDescription(groupId, errorCode.GROUP_ID_NOT_FOUND, why);
  }

  /** The groups of ListGroups, in steps. @param listed receives them */
  list(filter: GroupFilter, listed: ListedGroup[]): Generator<void, void> {
    const { committed, emptied } = this.offsets;
    this.#log.writeGathered();
    return listGroups({ groups: this.#groups, offsets: committed, emptied }, filter, listed);
  }

  /** Applies a record. A group has the kind of its last record, in whatever order records of both kinds come. */
  replay(record: GroupRecord): void {
    if (record.kind === "offset-commit") return this.offsets.replay(record);
    if (record.kind === "group-metadata") {
      const groupId = record.key.group;
      if (record.value === null) {
        this.offsets.emptied.remove(groupId);
        return this.#groups.forget(groupId, "classic");
      }
      this.#groups.forget(groupId, "consumer");
      const known = this.#groups.get(groupId);
      const group = known?.type === "classic" ? known : this.#groups.keep(new ClassicGroup(this.#ports, groupId));
      return group.replay(record);
    }
    const { groupId } = record.key;
    if (record.kind === "consumer-group-metadata" && record.value === null) {
      this.offsets.emptied.remove(groupId);
      return this.#groups.forget(groupId, "consumer");
    }
    let group = this.#groups.get(groupId);
    if (group?.type !== "consumer") {
      if (record.value === null) return;
      this.#groups.forget(groupId, "classic");
      group = this.#groups.keep(new ConsumerGroup(this.#ports, groupId, this));
    }
    group.replay(record);
  }

  *start(): Generator<void, void> {
    let count = 0;
    for (const group of this.#groups.values()) {
      group.start();
      if (++count % GROUPS_PER_STEP === 0) yield;
    }
  }

  becomeClassic({ groupId, tombstones, seed, rebalance }: Downgrade): number {
    const group = ClassicGroup.fromMembers(this.#ports, groupId, seed);
    const code = this.#ports.log.append([...tombstones, group.toRecord()]);
    if (code !== errorCode.NONE) {
      group.dispose();
      return code;
    }
    this.#groups.forget(groupId, "consumer");
    this.#groups.keep(group).start(rebalance);
    return code;
  }

  onTopicsChanged(names: ReadonlySet<string>): void {
    for (const group of this.#groups.values()) if (group.type === "consumer") group.onImage(names);
  }

  onTopicsDeleted(topics: readonly DeletedTopic[]): void {
    this.offsets.onTopicsDeleted(topics);
  }

  expire(): Generator<void, void> {
    return this.offsets.expire();
  }

  dispose(code: number): void {
    this.#groups.clear(code);
    this.offsets.dispose();
  }

  #appendAll(records: readonly GroupRecord[]): number {
    return this.#log.appendAll(records, this.#applyAll);
  }

  /** Creates a consumer group, or replaces a classic one and takes over its members. */
  #makeConsumerGroup(request: GroupRequest<68>, classic: ClassicGroup | undefined): ConsumerGroup | Refused {
    const { groupId, memberEpoch } = request;
    if (memberEpoch !== JOIN_EPOCH) {
      const isThere = this.#find(groupId) !== undefined;
      const message = isThere ? `Group ${groupId} is not a consumer group.` : `Consumer group ${groupId} not found.`;
      return { code: errorCode.GROUP_ID_NOT_FOUND, message };
    }
    const group = new ConsumerGroup(this.#ports, groupId, this);
    if (classic !== undefined && !classic.isVacant) {
      const records = planUpgrade(this.#ports, classic);
      if (!Array.isArray(records)) return records;
      const code = this.#ports.log.append(records);
      if (code !== errorCode.NONE) return { code, message: null };
      for (const record of records) if (isOfConsumerGroup(record)) group.replay(record);
    }
    // Clients that wait for the classic group join again, and then join this one.
    if (classic !== undefined) this.#groups.forget(groupId, "classic", errorCode.REBALANCE_IN_PROGRESS);
    this.#groups.keep(group).start();
    return group;
  }

  /** Removes a group from the log and the partition. @returns Kafka's error code, 0 when it is removed */
  #remove(group: Group): number {
    const code = group.isVacant ? errorCode.NONE : this.#ports.log.append(group.tombstones());
    if (code === errorCode.NONE) this.#groups.forget(group.groupId, group.type);
    return code;
  }

  /** Finds a group, including one that has only offsets or has lost them. */
  #find(groupId: string): Group | undefined {
    const group = this.#groups.get(groupId);
    const isSimple = group === undefined && this.offsets.hasSimpleGroup(groupId);
    return isSimple ? new ClassicGroup(this.#ports, groupId) : group;
  }

  /** Finds a group, or makes a vacant one, which answers like a group that does not exist. */
  #groupOrVacant(groupId: string): Group {
    return this.#groups.get(groupId) ?? new ClassicGroup(this.#ports, groupId);
  }
}

function isOfConsumerGroup(record: GroupRecord): record is ConsumerGroupRecord {
  return record.kind !== "offset-commit" && record.kind !== "group-metadata";
}
