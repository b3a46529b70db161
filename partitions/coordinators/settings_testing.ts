/**
 * Settings of groups for tests.
 */
import type { ConsumerGroupSettings, GroupSettings } from "./ports.ts";

/** Kafka's defaults, but that a first rebalance is not delayed. */
export const testSettings: GroupSettings = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 0,
  maxSize: 2 ** 31 - 1,
  consumerMaxSize: 2 ** 31 - 1,
  consumerAssignors: ["uniform", "range"],
  consumerMigrationPolicy: "bidirectional",
  consumerRegexRefreshIntervalMs: 600_000,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 7 * 86_400_000,
  offsetsRetentionCheckIntervalMs: 600_000,
};

/** Kafka's defaults of a consumer group. */
export const testGroupSettings: ConsumerGroupSettings = {
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5000,
  assignmentIntervalMs: 1000,
};
