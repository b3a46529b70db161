/**
 * What shards may import from this folder: partitions, their coordinators, and the messages between isolates.
 */
export { errorCodeOf, type Refusal, refusalText } from "./requests/refusals.ts";
export {
  type AppendOutcome,
  type AppendWaiter,
  emptyReadOutcome,
  type FollowerReader,
  type ReadOutcome,
  type ReadWaiter,
} from "./requests/outcomes.ts";
export type { CleaningAnswer, CleaningNotice, CleaningRequest } from "./cleaning/cleaning_calls.ts";
export { AnswerColumns } from "./requests/answer_columns.ts";
export type { Answered, AnswerWaiter, Question } from "./questions/question.ts";
export { listTimestamp } from "./owned/listed_offsets.ts";
export { type PartitionPlace, ShardPartitions, type ShardPartitionsParts } from "./shard_partitions.ts";
export { reportTaken } from "./remote/parcels.ts";
export { FlushLine } from "./flush_worker/flush_line.ts";
export { LineLimiter, shardLinesMax } from "./line_limiter.ts";
export type { RetentionEvent } from "./retention/retention_events.ts";
export { LogStore, type LogStoreDirectory } from "./owned/log_store.ts";
export type { OpenedSoFar } from "./owned/opening_progress.ts";
export { OFFLINE_DIRECTORY } from "./placement/directory_placement.ts";
export { DelayedCall } from "./requests/delayed_call.ts";
export { type DelayedOperation, type ProgressListener, Purgatory } from "./requests/purgatory.ts";
export { Arena, BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, blockBytesFor } from "./shared/arena.ts";
export { type Inbox, IsolateTable, type Outbox } from "./shared/mail.ts";
export { PartitionTraffic, type TrafficEnd } from "./shared/counters/partition_traffic.ts";
export { FETCH, FOLLOWER_FETCH, requestTime, ShardCounters } from "./shared/counters/shard_counters.ts";
export { TurnCounter, type TurnTimes } from "./shared/turn_times.ts";
export * as message from "./shared/messages.ts";
export type { RingRecord } from "./shared/ring.ts";
export { inbox, outboxes, type SharedState } from "./shared/shared_state.ts";
export {
  emptyWatermarks,
  InterestTable,
  isLed,
  partitionState,
  replication,
  type Watermarks,
  WatermarkTable,
} from "./shared/watermarks.ts";
export { ISOLATE } from "./shared/words.ts";
export { type RateMemory, RateTable, type Sharers } from "./shared/rate_table.ts";
export { quotaName } from "./quotas/quota_name.ts";
export { QuotaLookup, userOf } from "./quotas/quota_lookup.ts";
export * as rates from "./quotas/rates.ts";
export type { Rate } from "./quotas/rates.ts";
export {
  type BrokerImage,
  ELSEWHERE,
  type ImageDelta,
  isHere,
  MetadataImage,
  type PartitionFailure,
  type PartitionImage,
  type TopicImage,
} from "./metadata/image.ts";
export { configOperations } from "./metadata/configs/config_operations.ts";
export { packAlterations } from "./metadata/configs/packed_alterations.ts";
export { packQuotas, packUsers } from "./metadata/settings/packed_settings.ts";
export { type ClientQuota, type QuotaEntity, quotaEntityTypes, quotaKey } from "./metadata/settings/quota_rows.ts";
export { scramMechanisms, type ScramUser } from "./metadata/settings/user_rows.ts";
export { TOPIC_NAME_CHARACTERS_MAX } from "./metadata/topic_names.ts";
export type {
  AlterationResult,
  ControlCallName,
  ControlCalls,
  ControlClient,
  ControlFailure,
  ControlPlane,
} from "./metadata/control_calls.ts";
export { Operations } from "./requests/operations.ts";
export { GroupCoordinatorOnDemand } from "./coordinators/groups/coordinator_on_demand.ts";
export { type GroupApis, groupMessages } from "./coordinators/groups/group_apis.ts";
export { OFFSETS_TOPIC, partitionOfKey } from "./coordinators/key_partition.ts";
export { type GroupsToSurvey, noGroups, type SurveyedGroups } from "./requests/surveyed_groups.ts";
export { type CoordinatorTurns, ShardCoordinators } from "./coordinators/runtime/shard_coordinators.ts";
export {
  refuseConsumerDescription,
  refuseConsumerHeartbeat,
  refuseDescription,
  refuseGroupRequest,
} from "./coordinators/groups/group_refusals.ts";
