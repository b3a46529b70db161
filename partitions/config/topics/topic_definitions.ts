/**
 * The settings of a topic: Kafka's names, types, defaults and ranges. Pure data; any isolate.
 *
 * Source: LogConfig and ServerTopicConfigSynonyms of Apache Kafka 4.3.1; the test compares every row with a list dumped from its jars.
 */
import { type ConfigDefinition, setting, settingTable } from "../config_definitions.ts";
import { allOf, atLeast, between, gzipLevel, oneOf, onlyFor, throttledReplicas } from "../config_values.ts";

const LONG_MAX = "9223372036854775807";
const LZ4_LEVELS = "its library of lz4 has one level, which is Kafka's default";

/** Settings of a topic. */
export const topicDefinitions: ReadonlyMap<string, ConfigDefinition> = settingTable([
  setting(
    "cleanup.policy",
    "LIST",
    "delete",
    "What becomes of old records: delete, compact, both, or nothing when empty.",
    {
      check: oneOf("compact", "delete"),
      from: ["log.cleanup.policy"],
    },
  ),
  setting("compression.gzip.level", "INT", "-1", "Level of gzip where the broker compresses.", {
    check: gzipLevel,
    from: ["compression.gzip.level"],
  }),
  setting("compression.lz4.level", "INT", "9", "Level of lz4 where the broker compresses.", {
    check: allOf(between(1, 17), onlyFor("9", LZ4_LEVELS)),
    from: ["compression.lz4.level"],
  }),
  setting(
    "compression.type",
    "STRING",
    "producer",
    "Codec in which batches are stored; producer keeps each batch's own.",
    {
      check: oneOf("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
      from: ["compression.type"],
    },
  ),
  setting("compression.zstd.level", "INT", "3", "Level of zstd where the broker compresses.", {
    check: between(-131072, 22),
    from: ["compression.zstd.level"],
  }),
  setting("delete.retention.ms", "LONG", "86400000", "How long a compacted topic keeps delete markers.", {
    check: atLeast(0),
    from: ["log.cleaner.delete.retention.ms"],
  }),
  setting(
    "file.delete.delay.ms",
    "LONG",
    "60000",
    "How long a removed segment's files stay before they are unlinked.",
    {
      check: atLeast(0),
      from: ["log.segment.delete.delay.ms"],
    },
  ),
  setting(
    "flush.messages",
    "LONG",
    LONG_MAX,
    "Records after which the log is forced to disk; 1 acknowledges only durable records.",
    {
      check: atLeast(1),
      from: ["log.flush.interval.messages"],
    },
  ),
  setting("flush.ms", "LONG", LONG_MAX, "Longest time that a record stays in memory only.", {
    check: atLeast(0),
    from: ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
  }),
  setting("follower.replication.throttled.replicas", "LIST", "", "Followers whose replication is throttled.", {
    check: throttledReplicas,
    later: true,
  }),
  setting("index.interval.bytes", "INT", "4096", "Bytes of log between two entries of its indexes.", {
    check: atLeast(0),
    from: ["log.index.interval.bytes"],
  }),
  setting("internal.segment.bytes", "INT", null, "Overrides segment.bytes without its lower limit; meant for tests.", {
    check: atLeast(1),
  }),
  setting("leader.replication.throttled.replicas", "LIST", "", "Leaders whose replication is throttled.", {
    check: throttledReplicas,
    later: true,
  }),
  setting(
    "local.retention.bytes",
    "LONG",
    "-2",
    "Bytes kept on this machine when older segments are stored elsewhere.",
    {
      check: atLeast(-2),
      from: ["log.local.retention.bytes"],
      later: true,
    },
  ),
  setting("local.retention.ms", "LONG", "-2", "Time kept on this machine when older segments are stored elsewhere.", {
    check: atLeast(-2),
    from: ["log.local.retention.ms"],
    later: true,
  }),
  setting(
    "max.compaction.lag.ms",
    "LONG",
    LONG_MAX,
    "Longest time that a record of a compacted topic stays uncompacted.",
    {
      check: atLeast(1),
      from: ["log.cleaner.max.compaction.lag.ms"],
    },
  ),
  setting("max.message.bytes", "INT", "1048588", "Largest batch that is accepted, after compression.", {
    check: atLeast(0),
    from: ["message.max.bytes"],
  }),
  setting("message.timestamp.after.max.ms", "LONG", "3600000", "How far a record's timestamp may lie in the future.", {
    check: atLeast(0),
    from: ["log.message.timestamp.after.max.ms"],
  }),
  setting("message.timestamp.before.max.ms", "LONG", LONG_MAX, "How far a record's timestamp may lie in the past.", {
    check: atLeast(0),
    from: ["log.message.timestamp.before.max.ms"],
  }),
  setting(
    "message.timestamp.type",
    "STRING",
    "CreateTime",
    "Whose clock stamps records: the producer's or the broker's.",
    {
      check: oneOf("CreateTime", "LogAppendTime"),
      from: ["log.message.timestamp.type"],
    },
  ),
  setting(
    "min.cleanable.dirty.ratio",
    "DOUBLE",
    "0.5",
    "Share of uncompacted log that makes a compaction worth while.",
    {
      check: between(0, 1),
      from: ["log.cleaner.min.cleanable.ratio"],
    },
  ),
  setting("min.compaction.lag.ms", "LONG", "0", "Shortest time that a record stays uncompacted.", {
    check: atLeast(0),
    from: ["log.cleaner.min.compaction.lag.ms"],
  }),
  setting("min.insync.replicas", "INT", "1", "In-sync replicas without which acks=all is refused.", {
    check: atLeast(1),
    from: ["min.insync.replicas"],
  }),
  setting("preallocate", "BOOLEAN", "false", "Whether a new segment's file is allocated in full.", {
    from: ["log.preallocate"],
  }),
  setting("remote.log.copy.disable", "BOOLEAN", "false", "Stops copying segments to remote storage.", { later: true }),
  setting(
    "remote.log.delete.on.disable",
    "BOOLEAN",
    "false",
    "Deletes remote segments when remote storage is turned off.",
    {
      later: true,
    },
  ),
  setting("remote.storage.enable", "BOOLEAN", "false", "Whether older segments move to remote storage.", {
    check: onlyFor("false", "there is no remote storage"),
  }),
  setting("retention.bytes", "LONG", "-1", "Bytes per partition beyond which the oldest segments go; -1 is no limit.", {
    from: ["log.retention.bytes"],
  }),
  setting("retention.ms", "LONG", "604800000", "Age beyond which the oldest segments go; -1 is no limit.", {
    check: atLeast(-1),
    from: ["log.retention.ms", "log.retention.minutes*60000", "log.retention.hours*3600000"],
  }),
  setting("segment.bytes", "INT", "1073741824", "Size at which a new segment begins.", {
    check: atLeast(1048576),
    from: ["log.segment.bytes"],
  }),
  setting("segment.index.bytes", "INT", "10485760", "Size of a segment's indexes; a full one begins a new segment.", {
    check: atLeast(4),
    from: ["log.index.size.max.bytes"],
  }),
  setting(
    "segment.jitter.ms",
    "LONG",
    "0",
    "Largest random part taken off segment.ms, so that logs do not roll together.",
    {
      check: atLeast(0),
      from: ["log.roll.jitter.ms", "log.roll.jitter.hours*3600000"],
    },
  ),
  setting("segment.ms", "LONG", "604800000", "Age at which a new segment begins.", {
    check: atLeast(1),
    from: ["log.roll.ms", "log.roll.hours*3600000"],
  }),
  setting("unclean.leader.election.enable", "BOOLEAN", "false", "Whether a replica that is behind may lead.", {
    from: ["unclean.leader.election.enable"],
  }),
]);
