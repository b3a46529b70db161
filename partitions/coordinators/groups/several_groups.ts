/**
 * Requests about several groups, or about one with very many offsets, done in slices: long OffsetCommits, OffsetFetch,
 * DescribeGroups, ListGroups, DeleteGroups, ConsumerGroupDescribe. Runs on the shard whose coordinator is asked.
 *
 * A step does one group. So a request about one group, unless it has very many offsets, is done in the call that begins it.
 *
 * What describes or lists groups tells of the state in memory, also of what other replicas do not have yet: it acknowledges nothing.
 *
 * They may name groups of any partition. Groups that this shard does not coordinate get NOT_COORDINATOR. The partition of a group is
 * looked up again after each step, because the shard may have lost it meanwhile.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { OffsetFetchResponseGroup } from "../../../net/protocol/messages/09_offset_fetch.ts";
import type { ListedGroup } from "../../../net/protocol/messages/16_list_groups.ts";
import { newArray } from "../../../net/protocol/plain_constructor.ts";
import type { GroupFilter } from "./group_listing.ts";
import type { GroupRequest, GroupResponse } from "./group_apis.ts";
import {
  DeletionResult,
  refuseConsumerDescription,
  refuseDescription,
  refuseFetch,
  refuseGroupRequest,
} from "./group_refusals.ts";
import type { CoordinatedPartition } from "../runtime/coordinated_partition.ts";
import type { GroupPartition } from "./group_partition.ts";
import type { GroupRecord } from "./records/group_record.ts";
import type { CoordinatorClient, Reply } from "../runtime/coordinator.ts";

/** The first version of OffsetFetch that names several groups (KIP-709). */
const SEVERAL_GROUPS_VERSION = 8;

/** A partition of `__consumer_offsets` that this shard coordinates. */
export type OffsetsPartition = CoordinatedPartition<GroupRecord, GroupPartition>;

/** The partitions of this shard. */
export interface OffsetsPartitions {
  /** Finds the partition of a group. @returns the partition, or Kafka's code for why it cannot be asked */
  partitionOf(groupId: string): OffsetsPartition | number;
  /** The partitions of this shard; null while one of them is being loaded. */
  all(): Iterable<OffsetsPartition> | null;
}

/** OffsetCommit of very many partitions. */
export function* commitInSteps(
  partitions: OffsetsPartitions,
  { request, client }: { request: GroupRequest<8>; client: CoordinatorClient },
  reply: Reply<GroupResponse<8>>,
): Generator<void, void> {
  const { groupId } = request;
  const { apiVersion } = client;
  const refuse = (code: number) => reply(refuseGroupRequest(8, request, code, apiVersion));
  const partition = partitions.partitionOf(groupId);
  if (typeof partition === "number") return refuse(partition);
  const isLed = () => partitions.partitionOf(groupId) === partition;
  const response = yield* partition.machine.commits.commitInSteps({ request, apiVersion }, isLed);
  if (!isLed()) return reply(response);
  partition.replies.add((code) => code === errorCode.NONE ? reply(response) : refuse(code));
}

/**
 * OffsetFetch. What was read is answered once it is committed: the answer waits for what was appended before it. So Kafka does where the
 * client requires stable offsets, as consumers do. (To others, it answers at once with what was committed before.)
 */
export function* fetchOffsets(
  partitions: OffsetsPartitions,
  { request, client }: { request: GroupRequest<9>; client: CoordinatorClient },
  reply: Reply<GroupResponse<9>>,
): Generator<void, void> {
  const { apiVersion } = client;
  const isSingle = apiVersion < SEVERAL_GROUPS_VERSION;
  const asked = isSingle
    ? [{ groupId: request.groupId, memberId: null, memberEpoch: -1, topics: request.topics }]
    : request.groups;
  const groups = newArray<OffsetFetchResponseGroup>(asked.length);
  const read = newArray<OffsetsPartition | null>(asked.length);
  for (const [index, group] of asked.entries()) {
    if (index > 0) yield;
    const partition = partitions.partitionOf(group.groupId);
    read[index] = null;
    if (typeof partition === "number") {
      groups[index] = refuseFetch(group.groupId, partition);
      continue;
    }
    const fetched = yield* partition.machine.offsets.fetch(group, apiVersion);
    // What a coordinator has forgotten while it read looks like offsets that were never committed.
    const isLed = partitions.partitionOf(group.groupId) === partition;
    groups[index] = isLed ? fetched : refuseFetch(group.groupId, errorCode.NOT_COORDINATOR);
    if (isLed) read[index] = partition;
  }
  whenCommitted(read, (partition) => {
    for (const [index, { groupId }] of asked.entries()) {
      // Consumers before Kafka 3.9 give up at COORDINATOR_NOT_AVAILABLE (GroupCoordinatorService.handleOffsetFetchException).
      if (read[index] === partition) groups[index] = refuseFetch(groupId, errorCode.NOT_COORDINATOR);
    }
  }, () => {
    const [first] = groups;
    if (!isSingle || first === undefined) return reply({ groups });
    const { errorCode: code = errorCode.NONE, topics } = first;
    reply(code === errorCode.NONE ? { topics } : refuseGroupRequest(9, request, code, apiVersion));
  });
}

/** DescribeGroups. */
export function* describeGroups(
  partitions: OffsetsPartitions,
  { request, client }: { request: GroupRequest<15>; client: CoordinatorClient },
  reply: Reply<GroupResponse<15>>,
): Generator<void, void> {
  const groups = [];
  for (const groupId of request.groups) {
    if (groups.length > 0) yield;
    const partition = partitions.partitionOf(groupId);
    if (typeof partition === "number") groups.push(refuseDescription(groupId, partition));
    else groups.push(partition.machine.describe(groupId, client.apiVersion));
  }
  reply({ groups });
}

/** ConsumerGroupDescribe. */
export function* describeConsumerGroups(
  partitions: OffsetsPartitions,
  { request }: { request: GroupRequest<69> },
  reply: Reply<GroupResponse<69>>,
): Generator<void, void> {
  const groups = [];
  for (const groupId of request.groupIds) {
    if (groups.length > 0) yield;
    const partition = groupId === "" ? errorCode.INVALID_GROUP_ID : partitions.partitionOf(groupId);
    if (typeof partition === "number") groups.push(refuseConsumerDescription(groupId, partition));
    else groups.push(partition.machine.describeConsumerGroup(groupId));
  }
  reply({ throttleTimeMs: 0, groups });
}

/** ListGroups: the groups of this shard. */
export function* listGroups(
  partitions: OffsetsPartitions,
  { request }: { request: GroupRequest<16> },
  reply: Reply<GroupResponse<16>>,
): Generator<void, void> {
  const filter = { states: lowerCase(request.statesFilter), types: lowerCase(request.typesFilter) };
  const all = partitions.all();
  if (all === null) return reply({ errorCode: errorCode.COORDINATOR_LOAD_IN_PROGRESS, groups: [] });
  const groups: ListedGroup[] = [];
  for (const { machine: ofPartition, refusal } of all) {
    if (refusal === errorCode.NONE) yield* ofPartition.list(filter, groups);
    yield;
  }
  reply({ errorCode: errorCode.NONE, groups });
}

/** DeleteGroups. */
export function* deleteGroups(
  partitions: OffsetsPartitions,
  { request }: { request: GroupRequest<42> },
  reply: Reply<GroupResponse<42>>,
): Generator<void, void> {
  const changed = new Set<OffsetsPartition>();
  const results: { groupId: string; errorCode: number }[] = [];
  for (const groupId of request.groupsNames) {
    if (results.length > 0) yield;
    const partition = partitions.partitionOf(groupId);
    if (typeof partition === "number") results.push(new DeletionResult(groupId, partition));
    else {
      changed.add(partition);
      const { machine } = partition;
      const code = machine.has(groupId) ? yield* machine.deleteGroup(groupId) : errorCode.GROUP_ID_NOT_FOUND;
      results.push(new DeletionResult(groupId, code));
    }
  }
  let refused: number = errorCode.NONE;
  whenCommitted(changed, (_, code) => refused = code, () => {
    if (refused === errorCode.NONE) return reply({ throttleTimeMs: 0, results });
    reply(refuseGroupRequest(42, request, refused));
  });
}

/**
 * Waits until all that was appended to some partitions so far is committed.
 * @param read partitions, each perhaps several times, and nulls @param refuse told of each that cannot say so, with Kafka's code
 */
function whenCommitted(
  read: Iterable<OffsetsPartition | null>,
  refuse: (partition: OffsetsPartition, code: number) => void,
  then: () => void,
): void {
  const partitions = new Set(read);
  partitions.delete(null);
  let left = partitions.size;
  if (left === 0) return then();
  for (const partition of partitions as ReadonlySet<OffsetsPartition>) {
    partition.replies.add((code) => {
      if (code !== errorCode.NONE) refuse(partition, code);
      if (--left === 0) then();
    });
  }
}

/** Normalizes a filter: no spaces, lower case. @returns null when nothing is filtered */
function lowerCase(words: readonly string[]): GroupFilter["states"] {
  return words.length === 0 ? null : new Set(words.map((word) => word.trim().toLowerCase()));
}
