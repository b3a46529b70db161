/**
 * Builds the broker's settings of groups and committed offsets from checked properties. Pure; the main isolate runs it.
 *
 * Source: GroupCoordinatorConfig of Apache Kafka 4.3.1, with its messages.
 */
import type { GroupSettings } from "../../coordinators/groups/group_ports.ts";
import type { BrokerConfig } from "./broker_config.ts";
import type { ConfigValue } from "../config_values.ts";

const MINUTE_MS = 60_000;

type BrokerGroupSettings = Pick<
  BrokerConfig,
  | "groups"
  | "groupProtocols"
  | "offsetsTopicNumPartitions"
  | "offsetsTopicReplicationFactor"
  | "offsetsTopicSegmentBytes"
  | "offsetsCommitTimeoutMs"
>;

/** Builds the settings. @param valueOf gives a setting's value, or its default */
export function groupSettingsFrom(valueOf: (name: string) => ConfigValue): BrokerGroupSettings {
  const number = (name: string) => Number(valueOf(name));
  const groups: GroupSettings = {
    minSessionTimeoutMs: number("group.min.session.timeout.ms"),
    maxSessionTimeoutMs: number("group.max.session.timeout.ms"),
    initialRebalanceDelayMs: number("group.initial.rebalance.delay.ms"),
    maxSize: number("group.max.size"),
    consumerMaxSize: number("group.consumer.max.size"),
    consumerAssignors: list(valueOf("group.consumer.assignors")),
    consumerMigrationPolicy: String(
      valueOf("group.consumer.migration.policy"),
    ).toLowerCase() as GroupSettings["consumerMigrationPolicy"],
    consumerRegexRefreshIntervalMs: number("group.consumer.regex.refresh.interval.ms"),
    offsetMetadataMaxBytes: number("offset.metadata.max.bytes"),
    offsetsRetentionMs: number("offsets.retention.minutes") * MINUTE_MS,
    offsetsRetentionCheckIntervalMs: number("offsets.retention.check.interval.ms"),
  };
  return {
    groups,
    groupProtocols: list(valueOf("group.coordinator.rebalance.protocols")),
    offsetsTopicNumPartitions: number("offsets.topic.num.partitions"),
    offsetsTopicReplicationFactor: number("offsets.topic.replication.factor"),
    offsetsTopicSegmentBytes: number("offsets.topic.segment.bytes"),
    offsetsCommitTimeoutMs: number("offsets.commit.timeout.ms"),
  };
}

/** Checks settings that depend on each other. @param number gives a setting's value @returns null, or Kafka's sentence */
export function refuseGroupSettings(number: (name: string) => number): string | null {
  for (const name of ["heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"]) {
    const [own, min, max] = [`group.consumer.${name}`, `group.consumer.min.${name}`, `group.consumer.max.${name}`];
    if (number(max) < number(min)) return `${max} must be greater than or equal to ${min}`;
    if (number(own) < number(min)) return `${own} must be greater than or equal to ${min}`;
    if (number(own) > number(max)) return `${own} must be less than or equal to ${max}`;
  }
  const [heartbeat, session] = ["group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms"];
  return number(heartbeat) < number(session) ? null : `${heartbeat} must be less than ${session}`;
}

function list(value: ConfigValue): readonly string[] {
  return typeof value === "object" ? value : [];
}
