/**
 * One partition of `__consumer_offsets`: its groups by id and its committed offsets. Decides which kind of group a request creates,
 * and keeps both in step with the log. Runs on the shard that owns the partition; the state comes from the records alone.
 *
 * A group that has committed offsets and nothing else has no object of its own: it is an empty classic group without a protocol
 * type, made when somebody asks (Kafka's "simple group"); there may be very many of them.
 *
 * Source: Kafka's GroupCoordinatorShard, GroupMetadataManager.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { OffsetCommitRequest } from "../../net/protocol/messages/08_offset_commit.ts";
import type { OffsetFetchRequestGroup, OffsetFetchResponseGroup } from "../../net/protocol/messages/09_offset_fetch.ts";
import type { DescribedGroup } from "../../net/protocol/messages/15_describe_groups.ts";
import type { ListedGroup } from "../../net/protocol/messages/16_list_groups.ts";
import type { OffsetDeleteRequest, OffsetDeleteResponse } from "../../net/protocol/messages/47_offset_delete.ts";
import { ClassicGroup } from "./classic/classic_group.ts";
import { GatheredCommits } from "./gathered_commits.ts";
import {
  type GroupRequest,
  type GroupResponse,
  refuseConsumerDescription,
  refuseDescription,
} from "./group_requests.ts";
import { Offsets } from "./offsets.ts";
import type { OffsetsLog } from "./offsets_log.ts";
import type { GroupClient, GroupPorts, Reply } from "./ports.ts";
import type { GroupRecord } from "./records/group_record.ts";

/** OffsetCommit and OffsetFetch know GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH from this version on (KIP-848). */
const MEMBER_EPOCH_VERSION = 9;
/** DescribeGroups says GROUP_ID_NOT_FOUND from this version on (KIP-1043). */
const NOT_FOUND_VERSION = 6;

/** A group of either kind. */
export type Group = ClassicGroup;

/** Which groups ListGroups is to list; null for all. Lower case. */
export interface GroupFilter {
  readonly states: ReadonlySet<string> | null;
  readonly types: ReadonlySet<string> | null;
}

/** The partition. */
export class GroupPartition {
  readonly offsets: Offsets;
  readonly #ports: GroupPorts;
  readonly #log: OffsetsLog;
  readonly #groups = new Map<string, Group>();
  readonly #commits: GatheredCommits;
  readonly #apply = (record: GroupRecord) => this.replay(record);
  readonly #applyAll = (records: readonly GroupRecord[]) => records.forEach(this.#apply);

  /** @param log of the partition @param ports what the groups get, but for the log */
  constructor(log: OffsetsLog, ports: Omit<GroupPorts, "log">) {
    this.#log = log;
    const inOrder = {
      append: (records: readonly GroupRecord[]) => {
        this.settle();
        return log.append(records);
      },
    };
    this.#ports = { ...ports, log: inOrder };
    this.offsets = new Offsets({ image: ports.image, metadataBytesMax: ports.settings.offsetMetadataMaxBytes });
    this.#commits = new GatheredCommits(log, this.#apply);
  }

  /** Groups that have an object. */
  get groupsCount(): number {
    return this.#groups.size;
  }

  /** Whether commits wait to be written. */
  get isUnsettled(): boolean {
    return !this.#commits.isEmpty;
  }

  /** Writes the commits that were gathered; before anything that reads offsets or appends. */
  settle(): void {
    this.#commits.settle();
  }

  /** JoinGroup. */
  join(request: GroupRequest<11>, client: GroupClient, reply: Reply<GroupResponse<11>>): void {
    const { groupId } = request;
    const group = this.#groups.get(groupId) ?? this.#keep(new ClassicGroup(this.#ports, groupId));
    group.join(request, client, reply);
    this.#forgetVacant(group);
  }

  /** SyncGroup. */
  sync(request: GroupRequest<14>, client: GroupClient, reply: Reply<GroupResponse<14>>): void {
    this.#classicOr(request.groupId).sync(request, client, reply);
  }

  /** Heartbeat. */
  heartbeat(request: GroupRequest<12>, client: GroupClient, reply: Reply<GroupResponse<12>>): void {
    this.#classicOr(request.groupId).heartbeat(request, client, reply);
  }

  /** LeaveGroup. */
  leave(request: GroupRequest<13>, client: GroupClient, reply: Reply<GroupResponse<13>>): void {
    const group = this.#classicOr(request.groupId);
    group.leave(request, client, reply);
    this.#forgetVacant(group);
  }

  /** ConsumerGroupHeartbeat. */
  consumerHeartbeat(request: GroupRequest<68>, client: GroupClient, reply: Reply<GroupResponse<68>>): void {
    throw new Error(`${request.groupId} ${client.clientId} ${reply}`);
  }

  /** OffsetCommit: answered by the next `settle()`, or at once when nothing is to be written. */
  commit(request: OffsetCommitRequest, apiVersion: number, reply: Reply<GroupResponse<8>>): void {
    const plan = this.offsets.planCommit(request, { apiVersion, nowMs: this.#ports.wallMs() });
    // Kafka asks the group only about topics that exist.
    const code = plan.known.length === 0 ? errorCode.NONE : this.#validateCommit(request, apiVersion);
    if (code !== errorCode.NONE) { for (const partition of plan.known) partition.errorCode = code; }
    if (code !== errorCode.NONE || plan.records.length === 0) return reply(plan.response);
    this.#commits.add(plan, reply);
  }

  /** One group's part of OffsetFetch. */
  fetchOffsets(request: OffsetFetchRequestGroup, apiVersion: number): OffsetFetchResponseGroup {
    this.settle();
    const group = this.#find(request.groupId);
    // A group that does not exist has no offsets; that is no error.
    const code = group?.validateOffsetFetch(request.memberId ?? "", request.memberEpoch) ?? errorCode.NONE;
    if (code === errorCode.NONE || code === errorCode.GROUP_ID_NOT_FOUND) {
      return this.offsets.fetch(request, apiVersion);
    }
    return { groupId: request.groupId, errorCode: code, topics: [] };
  }

  /** OffsetDelete. */
  deleteOffsets(request: OffsetDeleteRequest): OffsetDeleteResponse {
    this.settle();
    const group = this.#find(request.groupId);
    const refused = group === undefined ? errorCode.GROUP_ID_NOT_FOUND : group.validateOffsetDelete();
    if (group === undefined || refused !== errorCode.NONE) return { errorCode: refused, topics: [] };
    const { records, topics } = this.offsets.planDelete(request, (topic) => group.isSubscribedTo(topic));
    const code = this.#log.appendAll(records, this.#applyAll);
    return code === errorCode.NONE ? { errorCode: code, topics } : { errorCode: code, topics: [] };
  }

  /** One group of DeleteGroups. @returns Kafka's error code */
  deleteGroup(groupId: string): number {
    this.settle();
    const group = this.#find(groupId);
    if (group === undefined) return errorCode.GROUP_ID_NOT_FOUND;
    const code = group.validateDelete();
    if (code !== errorCode.NONE) return code;
    return this.#log.appendAll([...this.offsets.tombstones(groupId), ...group.tombstones()], this.#applyAll);
  }

  /** One group of DescribeGroups. */
  describe(groupId: string, apiVersion: number): DescribedGroup {
    const group = this.#find(groupId);
    if (group?.type === "classic") return group.describe();
    const dead = { groupState: "Dead" };
    if (apiVersion < NOT_FOUND_VERSION) return { ...refuseDescription(groupId, errorCode.NONE), ...dead };
    const why = group === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a classic group.`;
    return { ...refuseDescription(groupId, errorCode.GROUP_ID_NOT_FOUND, why), ...dead };
  }

  /** One group of ConsumerGroupDescribe. */
  describeConsumerGroup(groupId: string): GroupResponse<69>["groups"][number] {
    const group = this.#find(groupId);
    const why = group === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`;
    return refuseConsumerDescription(groupId, errorCode.GROUP_ID_NOT_FOUND, why);
  }

  /** The groups of ListGroups. */
  list({ states, types }: GroupFilter): ListedGroup[] {
    this.settle();
    const listed: ListedGroup[] = [];
    for (const groupId of this.#groupIds()) {
      const overview = this.#find(groupId)?.overview();
      if (overview === undefined) continue;
      if (states !== null && !states.has(overview.groupState.toLowerCase())) continue;
      if (types !== null && !types.has(overview.groupType.toLowerCase())) continue;
      listed.push(overview);
    }
    return listed;
  }

  /** Applies a record of the log. */
  replay(record: GroupRecord): void {
    if (record.kind === "offset-commit") return this.offsets.replay(record);
    if (record.kind !== "group-metadata") return;
    const { group: groupId } = record.key;
    if (record.value === null) return this.#forget(groupId, "classic");
    const known = this.#groups.get(groupId);
    const group = known ?? this.#keep(new ClassicGroup(this.#ports, groupId));
    group.replay(record);
  }

  /** All records were replayed: the groups begin to live. */
  start(): void {
    for (const group of this.#groups.values()) group.start();
  }

  /** Topics changed. @param deleted those that are gone */
  onImage(_changedNames: ReadonlySet<string>, deleted: readonly { name: string; id: string }[]): void {
    if (deleted.length === 0) return;
    this.settle();
    // Offsets that cannot be removed now go with their retention.
    this.#log.appendAll(this.offsets.planTopicDeletion(deleted), this.#applyAll);
  }

  /** Removes expired offsets, and groups that are empty and have none. @returns how many records that took */
  expire(): number {
    this.settle();
    const time = { nowMs: this.#ports.wallMs(), retentionMs: this.#ports.settings.offsetsRetentionMs };
    const records: GroupRecord[] = [];
    for (const groupId of this.#groupIds()) {
      const group = this.#find(groupId);
      if (group === undefined) continue;
      const unusedSince = (topic: string, commitTimestamp: number) => group.unusedSince(topic, commitTimestamp);
      const expired = this.offsets.planExpiry(groupId, unusedSince, time);
      for (const record of expired.records) records.push(record);
      if (!expired.isLast || group.validateDelete() !== errorCode.NONE) continue;
      if (!group.isVacant) records.push(...group.tombstones());
      else if (expired.records.length === 0) this.#forget(groupId, group.type);
    }
    this.#log.appendAll(records, this.#applyAll);
    return records.length;
  }

  /** Leadership is lost: everybody who waits is answered. @param code what they are told */
  dispose(code: number): void {
    this.settle();
    for (const group of this.#groups.values()) group.dispose(code);
    this.#groups.clear();
  }

  #validateCommit(request: OffsetCommitRequest, apiVersion: number): number {
    const group = this.#find(request.groupId);
    if (group !== undefined) return group.validateOffsetCommit(request, apiVersion);
    if (request.generationIdOrMemberEpoch < 0) return errorCode.NONE;
    return apiVersion >= MEMBER_EPOCH_VERSION ? errorCode.GROUP_ID_NOT_FOUND : errorCode.ILLEGAL_GENERATION;
  }

  /** The group, also one that has nothing but offsets. */
  #find(groupId: string): Group | undefined {
    const group = this.#groups.get(groupId);
    return group === undefined && this.offsets.has(groupId) ? new ClassicGroup(this.#ports, groupId) : group;
  }

  /** The group, or a vacant one that refuses what a group that does not exist refuses. */
  #classicOr(groupId: string): Group {
    return this.#groups.get(groupId) ?? new ClassicGroup(this.#ports, groupId);
  }

  #groupIds(): Iterable<string> {
    const ids = new Set(this.#groups.keys());
    for (const groupId of this.offsets.groupIds()) ids.add(groupId);
    return ids;
  }

  #keep(group: Group): Group {
    this.#groups.set(group.groupId, group);
    return group;
  }

  #forgetVacant(group: Group): void {
    if (group.isVacant) this.#forget(group.groupId, group.type);
  }

  #forget(groupId: string, type: Group["type"]): void {
    const group = this.#groups.get(groupId);
    if (group === undefined || group.type !== type) return;
    this.#groups.delete(groupId);
    group.dispose(errorCode.UNKNOWN_MEMBER_ID);
  }
}
