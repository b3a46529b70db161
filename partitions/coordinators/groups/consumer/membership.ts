/**
 * The three steps of every request by which a member joins or keeps its session, whichever protocol it uses. Runs on shards.
 *
 *   1. updateMember     writes the member's facts to the log, with a new group epoch if the group needs a new assignment
 *   2. assign           computes targets if the group epoch is newer than the assignment epoch and the last assignment is old enough
 *   3. reconcileMember  moves the member's current assignment towards its target
 *
 * Each step is one append (the second sometimes several) and leaves a consistent state. After a crash or a refused append between two
 * steps, the next heartbeat continues there. Source: Kafka's GroupMetadataManager.consumerGroupHeartbeat.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { GroupRecord } from "../records/group_record.ts";
import type { AssignorMember, Targets } from "./assignors/assignor.ts";
import { assignors } from "./assignors/assignors.ts";
import { assignUniform } from "./assignors/uniform_assignor.ts";
import { GROUP_BYTES, PARTITION_BYTES } from "../group_memory.ts";
import { isReconciledTo, type Member, sameFacts, sameNames } from "./consumer_member.ts";
import { bytesOfMember, sizeOf } from "./consumer_state.ts";
import type { ConsumerGroupCore } from "./consumer_group_core.ts";
import {
  assignmentEpochRecord,
  currentRecord,
  groupEpochRecord,
  memberRecord,
  memberTombstones,
  regexRecord,
  targetRecord,
} from "./member_records.ts";
import { MUST_REJOIN, reconcile, type ReportedPartitions } from "./reconciliation.ts";
import { topicRegexProblem } from "./topic_regex.ts";
import { hashTopics } from "./topics_hash.ts";

/**
 * About how many partitions of an assignment go into one batch. A member counts as several. A batch may not be larger than
 * `max.message.bytes`, but the targets of a large group are. They may reach the log in several batches: their epoch comes last, and
 * members do not move without it. After a crash in between, the targets are computed again.
 */
const PIECE_SIZE_MAX = 50_000;
const MEMBER_SIZE = 25;
/** Most characters of a refused expression in its error message. */
const SHOWN_CHARS_MAX = 1000;

/** A member before and after a request. */
export interface MemberChange {
  /** null for a new member. */
  readonly before: Member | null;
  readonly after: Member;
  /** The static member that it replaces, which is then also `before`; else null. */
  readonly replaced: Member | null;
}

/** Why a step was refused. */
export interface StepRefusal {
  readonly code: number;
  readonly message: string | null;
}

/** Step 1. @returns whether the member's subscription changed, or a refusal */
export function updateMember(core: ConsumerGroupCore, change: MemberChange): boolean | StepRefusal {
  const { groupId, state, regexes, ports } = core;
  const { before, after } = change;
  const { subscriptions } = state;
  if (!hasRoom(core, change)) return { code: errorCode.COORDINATOR_LOAD_IN_PROGRESS, message: null };
  const wasRegex = before?.topicRegex ?? "";
  const regexChanged = wasRegex !== after.topicRegex;
  // If no member subscribes to an expression, its resolved topics are out of date.
  const isKnown = subscriptions.membersOf(after.topicRegex) > 0 && subscriptions.resolved.has(after.topicRegex);
  const joining = regexChanged && !isKnown ? after.topicRegex : "";
  const refusal = subscriptions.membersOf(joining) === 0 ? refuseRegex(joining) : null;
  if (refusal !== null) return refusal;
  const records = updateRecords(core, change);
  const left = regexChanged && subscriptions.membersOf(wasRegex) === 1 ? wasRegex : "";
  for (const expression of [left, joining]) {
    if (subscriptions.resolved.has(expression)) records.push(regexRecord(groupId, expression, null));
  }
  const namesChanged = !sameNames(before?.topicNames ?? [], after.topicNames);
  // An expression that is not resolved yet gets its new group epoch when it is.
  let needsEpoch = namesChanged || (regexChanged && joining === "");
  if (needsEpoch || core.isTopicCheckDue) {
    const topics = subscriptions.topicsAfter(before === null ? [] : [before], [after], new Map());
    const hash = hashTopics(ports.image, topics);
    needsEpoch ||= hash !== state.topicsHash;
    if (needsEpoch) records.push(groupEpochRecord(groupId, state.groupEpoch + 1, hash));
    if (state.hasLegacyRecord) {
      records.push({ kind: "consumer-group-partition-metadata", key: { groupId }, value: null });
    }
  }
  const code = core.append(records);
  if (code !== 0) return { code, message: null };
  core.isTopicCheckDue = false;
  if (regexes.isDue) regexes.begin();
  return namesChanged || regexChanged;
}

/** Returns whether the shard has memory for the change. */
function hasRoom({ state, ports }: ConsumerGroupCore, { before, after }: MemberChange): boolean {
  const names = before !== null && sameNames(before.topicNames, after.topicNames)
    ? 0
    : state.subscriptions.costOf(after.topicNames);
  const growth = bytesOfMember(after) - (before === null ? 0 : bytesOfMember(before));
  return ports.memory.hasRoomFor(growth + names + (state.isLogged ? 0 : GROUP_BYTES.consumer));
}

function updateRecords(
  { groupId, state }: ConsumerGroupCore,
  { before, after, replaced }: MemberChange,
): GroupRecord[] {
  if (replaced !== null) {
    return [
      ...memberTombstones(groupId, replaced.memberId),
      memberRecord(groupId, after),
      targetRecord(groupId, after.memberId, state.targetOf(replaced.memberId)),
      currentRecord(groupId, after.memberId, after),
    ];
  }
  return before !== null && sameFacts(before, after) ? [] : [memberRecord(groupId, after)];
}

/** Refuses an invalid regular expression. @param expression "" or null for none @returns null if it is valid */
export function refuseRegex(expression: string | null): StepRefusal | null {
  const problem = expression === null || expression === "" ? null : topicRegexProblem(expression);
  if (problem === null) return null;
  // A string of the protocol has at most 32767 bytes.
  const shown = expression!.slice(0, SHOWN_CHARS_MAX);
  const message = `SubscribedTopicRegex \`${shown}\` is not a valid regular expression: ${problem}.`;
  return { code: errorCode.INVALID_REGULAR_EXPRESSION, message };
}

/** Step 2. @returns Kafka's error code, 0 also if nothing is due */
export function assign(core: ConsumerGroupCore): number {
  const { groupId, state, ports } = core;
  if (state.assignmentEpoch >= state.groupEpoch) return 0;
  const nowMs = ports.wallMs();
  if (isAssignmentFresh(core, nowMs)) return 0;
  const targets = computeTargets(core);
  if (!hasRoomForTargets(core, targets)) return errorCode.COORDINATOR_LOAD_IN_PROGRESS;
  let records: GroupRecord[] = [];
  let size = 0;
  for (const [memberId, target] of targets) {
    if (state.hasTarget(memberId) && state.targetOf(memberId) === target) continue;
    records.push(targetRecord(groupId, memberId, target));
    size += MEMBER_SIZE + sizeOf(target);
    if (size < PIECE_SIZE_MAX) continue;
    const code = core.append(records);
    if (code !== 0) return code;
    records = [];
    size = 0;
  }
  records.push(assignmentEpochRecord(groupId, state.groupEpoch, nowMs));
  return core.append(records);
}

function hasRoomForTargets({ state, ports }: ConsumerGroupCore, targets: Targets): boolean {
  let growth = 0;
  for (const [memberId, target] of targets) growth += sizeOf(target) - sizeOf(state.targetOf(memberId));
  return ports.memory.hasRoomFor(PARTITION_BYTES * growth);
}

/**
 * Members that join within the interval are assigned together (since 4.3). The first member of a group need not wait. No member waits if
 * the clock went back.
 */
function isAssignmentFresh({ groupId, state, ports }: ConsumerGroupCore, nowMs: number): boolean {
  if (state.assignmentMs === 0 || !state.hasTargets) return false;
  const ageMs = nowMs - state.assignmentMs;
  return ageMs >= 0 && ageMs < ports.settingsOf(groupId).assignmentIntervalMs;
}

function computeTargets({ state, ports }: ConsumerGroupCore): Targets {
  const { image } = ports;
  /** Members with equal subscriptions share their list of names, and therefore their set of topic ids. */
  const shared = new Map<readonly string[], Map<string, ReadonlySet<string>>>();
  const members: AssignorMember[] = [];
  for (const { memberId, instanceId, topicNames, topicRegex } of state.members.values()) {
    let byRegex = shared.get(topicNames);
    if (byRegex === undefined) shared.set(topicNames, byRegex = new Map());
    let topicIds = byRegex.get(topicRegex);
    if (topicIds === undefined) {
      const found = new Set<string>();
      for (const names of [topicNames, state.subscriptions.resolved.get(topicRegex)?.topics ?? []]) {
        for (const name of names) {
          const topic = image.topic(name);
          if (topic !== undefined) found.add(topic.id);
        }
      }
      byRegex.set(topicRegex, topicIds = found);
    }
    members.push({ memberId, instanceId, topicIds, assignment: state.targetOf(memberId) });
  }
  const assignor = assignors.get(state.preferredAssignor) ?? assignUniform;
  return assignor({ members, partitionsCountOf: (topicId) => image.topicById(topicId)!.partitions.length });
}

/** Step 3. @returns the member after the step, or a refusal */
export function reconcileMember(
  core: ConsumerGroupCore,
  memberId: string,
  { reported, subscriptionChanged }: {
    reported: readonly ReportedPartitions[] | null;
    subscriptionChanged: boolean;
  },
): Member | StepRefusal {
  const { groupId, state, ports } = core;
  const member = memberOf(core, memberId);
  if (!subscriptionChanged && isReconciledTo(member, state.assignmentEpoch)) return member;
  const next = reconcile({
    current: member,
    target: state.targetOf(memberId),
    targetEpoch: state.assignmentEpoch,
    isSubscribed: (topicId) => {
      const topic = ports.image.topicById(topicId);
      return topic !== undefined && state.subscriptions.includes(member, topic.name);
    },
    isFree: (topicId, partition) => {
      const owner = state.ownerOf(topicId, partition);
      return owner === undefined || owner === memberId;
    },
    reported,
    subscriptionChanged,
  });
  if (next === MUST_REJOIN) {
    return { code: errorCode.FENCED_MEMBER_EPOCH, message: "The state of the member is unknown." };
  }
  if (next === member) return member;
  const code = core.append([currentRecord(groupId, memberId, next)]);
  if (code !== 0) return { code, message: null };
  const reconciled = memberOf(core, memberId);
  core.limitRevocation(reconciled);
  return reconciled;
}

/** Returns a member that must be in the group. */
export function memberOf({ state }: ConsumerGroupCore, memberId: string): Member {
  const member = state.members.get(memberId);
  assert(member !== undefined, "a member whose record was appended is in the group");
  return member;
}
