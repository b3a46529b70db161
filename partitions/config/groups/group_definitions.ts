/**
 * The settings of a group (resource type GROUP of DescribeConfigs): Kafka's names, types, defaults and ranges, and the broker settings
 * between which a value must lie. Settings of share and streams groups are only stored and shown. Pure data; any isolate.
 *
 * Source: GroupConfig of Apache Kafka 4.3.1; the test compares every row with a list dumped from its jars.
 */
import { type ConfigDefinition, setting, settingTable } from "../config_definitions.ts";
import { atLeast, type ConfigCheck, invalid, oneOf } from "../config_values.ts";

/** A broker setting that limits a group's setting, with its default, because this broker does not have all of them. */
export type Bound = readonly [brokerSetting: string, defaultValue: number];

/** A setting of groups that broker settings limit. */
export interface BoundedSetting {
  readonly name: string;
  readonly min?: Bound;
  readonly max: Bound;
  /** Whether only the group's own value is checked, not an inherited one. */
  readonly ownOnly?: true;
}

/** Settings of a group, ordered by name. */
export const groupDefinitions: ReadonlyMap<string, ConfigDefinition> = settingTable([
  setting("consumer.assignment.interval.ms", "INT", "1000", "Least time between two assignments of a consumer group.", {
    check: atLeast(0),
    from: ["group.consumer.assignment.interval.ms"],
  }),
  setting("consumer.heartbeat.interval.ms", "INT", "5000", "How often members of a consumer group send heartbeats.", {
    check: atLeast(1),
    from: ["group.consumer.heartbeat.interval.ms"],
  }),
  setting(
    "consumer.session.timeout.ms",
    "INT",
    "45000",
    "Time without a heartbeat after which a member of a consumer group is removed.",
    {
      check: atLeast(1),
      from: ["group.consumer.session.timeout.ms"],
    },
  ),
  later("share.assignment.interval.ms", "INT", "1000", "Least time between two assignments of a share group.", 0),
  setting("share.auto.offset.reset", "STRING", "latest", "Where a share group begins a partition.", {
    check: shareOffsetReset(),
    later: true,
  }),
  later("share.delivery.count.limit", "INT", "5", "How often a share group delivers a record.", 2),
  later("share.heartbeat.interval.ms", "INT", "5000", "How often members of a share group send heartbeats.", 1),
  setting(
    "share.isolation.level",
    "STRING",
    "read_uncommitted",
    "Whether a share group sees records of open transactions.",
    {
      check: oneOf("read_committed", "read_uncommitted"),
      later: true,
    },
  ),
  later("share.partition.max.record.locks", "INT", "2000", "Records of a partition that are locked at a time.", 100),
  later("share.record.lock.duration.ms", "INT", "30000", "How long a delivered record is locked.", 1000),
  setting("share.renew.acknowledge.enable", "BOOLEAN", "true", "Whether a lock can be renewed.", { later: true }),
  later("share.session.timeout.ms", "INT", "45000", "Time after which a silent member of a share group is removed.", 1),
  later("streams.assignment.interval.ms", "INT", "1000", "Least time between two assignments of a streams group.", 0),
  later("streams.heartbeat.interval.ms", "INT", "5000", "How often members of a streams group send heartbeats.", 1),
  later("streams.initial.rebalance.delay.ms", "INT", "3000", "Wait before a streams group's first assignment.", 0),
  later("streams.num.standby.replicas", "INT", "0", "Standby replicas of a task of a streams group.", 0),
  later(
    "streams.session.timeout.ms",
    "INT",
    "45000",
    "Time after which a silent member of a streams group is removed.",
    1,
  ),
]);

/** In the order in which they are checked (GroupConfig.validateValues). */
export const boundedSettings: readonly BoundedSetting[] = [
  ...heartbeatThenSession("consumer"),
  { ...bounded("consumer", "assignment.interval.ms", [0, 15_000]), ownOnly: true },
  ...heartbeatThenSession("share"),
  bounded("share", "record.lock.duration.ms", [15_000, 60_000]),
  bounded("share", "delivery.count.limit", [2, 10]),
  bounded("share", "partition.max.record.locks", [100, 4000]),
  { ...bounded("share", "assignment.interval.ms", [0, 15_000]), ownOnly: true },
  ...heartbeatThenSession("streams"),
  { name: "streams.num.standby.replicas", max: ["group.streams.max.standby.replicas", 2] },
  { ...bounded("streams", "assignment.interval.ms", [0, 15_000]), ownOnly: true },
];

function heartbeatThenSession(kind: string): BoundedSetting[] {
  return [
    bounded(kind, "heartbeat.interval.ms", [5000, 15_000]),
    bounded(kind, "session.timeout.ms", [45_000, 60_000]),
  ];
}

function bounded(kind: string, rest: string, [min, max]: [number, number]): BoundedSetting {
  return {
    name: `${kind}.${rest}`,
    min: [`group.${kind}.min.${rest}`, min],
    max: [`group.${kind}.max.${rest}`, max],
  };
}

/** A number without effect so far. @param rest type, default, documentation, smallest allowed value */
function later(name: string, ...rest: ["INT", string, string, number]): ConfigDefinition {
  const [type, defaultText, documentation, least] = rest;
  return setting(name, type, defaultText, documentation, { check: atLeast(least), later: true });
}

function shareOffsetReset(): ConfigCheck {
  // As Java's Duration.parse: days, then hours, minutes and seconds, each with an optional sign. A negative sum is refused.
  const duration = /^(earliest|latest|by_duration:P(?=[\dT])(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d{1,9})?S)?)?)$/i;
  return ({ name, text }) => {
    if (duration.test(text)) return null;
    const forms = "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'";
    const why = `Invalid value \`${text}\` for configuration ${name}. The value must be either ${forms}.`;
    return invalid(name, text, why);
  };
}
