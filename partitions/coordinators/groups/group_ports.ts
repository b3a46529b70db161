/**
 * The ports of the state machines of groups: log, topics, configs, clocks and timers. The machines decide only from (state, event,
 * time), so a seeded simulation runs the same code. Types only; the implementations run on shards.
 */
import type { MetadataImage } from "../../metadata/image.ts";
import type { Deadlines } from "../../requests/deadlines.ts";
import type { Timer } from "../runtime/lazy_timer.ts";
import type { RecordLog } from "../runtime/record_log.ts";
import type { GroupMemory } from "./group_memory.ts";
import type { GroupRecord } from "./records/group_record.ts";

/** The partition of `__consumer_offsets` that holds the group. */
export type GroupLog = Pick<RecordLog<GroupRecord>, "append">;

/** The ports that all state machines of a partition of `__consumer_offsets` share. */
export interface GroupPorts {
  readonly log: GroupLog;
  /** Topics and their partitions; changes arrive as events. */
  readonly image: MetadataImage;
  readonly settings: GroupSettings;
  /** Settings of one group: its own where set (resource type GROUP), else the broker's. */
  readonly settingsOf: (groupId: string) => ConsumerGroupSettings;
  readonly timers: Deadlines<Timer>;
  /** Monotonic ms, for timeouts. */
  readonly nowMs: () => number;
  /** Wall-clock ms, for times in records. */
  readonly wallMs: () => number;
  /** A random UUID as Kafka writes it: 22 characters of base64url, never beginning with "-". */
  readonly newId: () => string;
  /** The shard's budget for groups. */
  readonly memory: GroupMemory;
  /** The shard's budget for metadata of commits. */
  readonly metadataMemory: GroupMemory;
}

/** The broker's settings for groups, by Kafka's names. */
export interface GroupSettings {
  /** `group.min.session.timeout.ms`, 6000 */
  readonly minSessionTimeoutMs: number;
  /** `group.max.session.timeout.ms`, 1800000 */
  readonly maxSessionTimeoutMs: number;
  /** `group.initial.rebalance.delay.ms`, 0 as in Kafka's shipped server.properties */
  readonly initialRebalanceDelayMs: number;
  /** `group.max.size`, 2147483647 */
  readonly maxSize: number;
  /** `group.consumer.max.size`, 2147483647 */
  readonly consumerMaxSize: number;
  /** `group.consumer.assignors`: names of this broker's assignors, the first is the default; uniform, range */
  readonly consumerAssignors: readonly string[];
  /** `group.consumer.migration.policy`, bidirectional */
  readonly consumerMigrationPolicy: "bidirectional" | "upgrade" | "downgrade" | "disabled";
  /** `group.consumer.regex.refresh.interval.ms`, 600000 */
  readonly consumerRegexRefreshIntervalMs: number;
  /** `offset.metadata.max.bytes`, 4096 */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes` in ms, 7 days */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms`, 600000 */
  readonly offsetsRetentionCheckIntervalMs: number;
}

/** The settings that a single consumer group can have (KIP-848). */
export interface ConsumerGroupSettings {
  /** `consumer.session.timeout.ms`, else `group.consumer.session.timeout.ms`, 45000 */
  readonly sessionTimeoutMs: number;
  /** `consumer.heartbeat.interval.ms`, else `group.consumer.heartbeat.interval.ms`, 5000 */
  readonly heartbeatIntervalMs: number;
  /** `consumer.assignment.interval.ms`, else `group.consumer.assignment.interval.ms`; least time between two assignments, 1000 */
  readonly assignmentIntervalMs: number;
}
