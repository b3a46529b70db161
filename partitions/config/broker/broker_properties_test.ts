import assert from "node:assert/strict";
import { brokerConfigFrom, type BrokerFlags } from "./broker_properties.ts";
import { logLevels } from "../log_lines.ts";

function accept(properties: Record<string, string>, options: BrokerFlags = {}) {
  const result = brokerConfigFrom(new Map(Object.entries(properties)), options);
  assert(!("refused" in result), "refused" in result ? result.refused : "");
  return result;
}

function refuse(properties: Record<string, string>, options: BrokerFlags = {}): string {
  const result = brokerConfigFrom(new Map(Object.entries(properties)), options);
  assert("refused" in result);
  return result.refused;
}

Deno.test("brokerConfigFrom() listens on 127.0.0.1 and advertises no fixed address by default", () => {
  const { config } = accept({});
  assert.deepEqual(config.listeners, [{ name: "PLAINTEXT", host: "127.0.0.1", port: 9092 }]);
  assert.deepEqual([config.host, config.port, config.advertisedListeners], ["127.0.0.1", 9092, null]);
  assert.deepEqual(config.logDirectories, ["./barnabas-data"]);
});

const groupProperties = {
  "group.min.session.timeout.ms": "31",
  "group.max.session.timeout.ms": "32",
  "group.initial.rebalance.delay.ms": "33",
  "group.max.size": "34",
  "group.consumer.max.size": "35",
  "group.consumer.assignors": "range, uniform",
  "group.consumer.migration.policy": "Upgrade",
  "group.consumer.regex.refresh.interval.ms": "10036",
  "offset.metadata.max.bytes": "37",
  "offsets.retention.minutes": "38",
  "offsets.retention.check.interval.ms": "39",
  "group.coordinator.rebalance.protocols": "classic",
  "offsets.topic.num.partitions": "40",
  "offsets.topic.replication.factor": "41",
  "offsets.topic.segment.bytes": "42",
  "offsets.commit.timeout.ms": "43",
};

Deno.test("brokerConfigFrom() refuses settings of groups that Kafka refuses, with its messages", () => {
  const heartbeat = "group.consumer.heartbeat.interval.ms";
  const session = "group.consumer.session.timeout.ms";
  const refused: [Record<string, string>, RegExp][] = [
    [
      { "log.retention.ms": "0" },
      /^requirement failed: log.retention.ms must be unlimited \(-1\) or, greater than or equal to 1/,
    ],
    [{ "log.retention.hours": "0" }, /log.retention.ms must be unlimited/],
    [
      { [heartbeat]: "4999" },
      /^group.consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min/,
    ],
    [
      { [heartbeat]: "15001" },
      /^group.consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max/,
    ],
    [{ [session]: "44999" }, /^group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min/],
    [
      { "group.consumer.assignment.interval.ms": "15001" },
      /must be less than or equal to group.consumer.max.assignment/,
    ],
    [{ "group.consumer.max.session.timeout.ms": "44999" }, /^group.consumer.max.session.timeout.ms must be greater/],
    [
      { [heartbeat]: "45000", "group.consumer.max.heartbeat.interval.ms": "45000" },
      /^group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms$/,
    ],
    [{ "group.coordinator.rebalance.protocols": "consumer" }, /Disabling the 'classic' protocol is not supported/],
    [{ "group.coordinator.rebalance.protocols": "classic,classic" }, /must not be duplicated/],
    [{ "group.consumer.assignors": "" }, /must not be empty/],
    [{ "group.consumer.assignors": "org.example.Own" }, /String must be one of: uniform, range/],
    [{ "group.consumer.migration.policy": "never" }, /one of \(case insensitive\): DISABLED, DOWNGRADE, UPGRADE/],
    [{ "offsets.topic.replication.factor": "32768" }, /Not a number of type SHORT/],
    [{ "offsets.topic.compression.codec": "1" }, /Only 0 is supported/],
  ];
  for (const [properties, why] of refused) assert.match(refuse(properties), why);
});

/** The fields whose names do not match. */
function without(names: RegExp, fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.test(name)));
}

const plainProperties = {
  "node.id": "2",
  "barnabas.cluster.id": "abc",
  "log.dirs": "/data",
  "num.partitions": "3",
  "default.replication.factor": "4",
  "auto.create.topics.enable": "false",
  "delete.topic.enable": "false",
  "min.insync.replicas": "5",
  "socket.request.max.bytes": "6",
  "socket.send.buffer.bytes": "7",
  "socket.receive.buffer.bytes": "8",
  "queued.max.request.bytes": "24",
  "connections.max.idle.ms": "9",
  "max.connections": "10",
  "max.connections.per.ip": "20",
  "max.connections.per.ip.overrides": "10.0.0.1:21, ::1:22,[::2]:23",
  "max.connection.creation.rate": "60",
  "listener.name.plaintext.max.connection.creation.rate": "61",
  "quota.window.num": "62",
  "quota.window.size.seconds": "63",
  "controller.quota.window.num": "64",
  "controller.quota.window.size.seconds": "65",
  "fetch.max.bytes": "1100",
  "max.incremental.fetch.session.cache.slots": "12",
  "max.request.partition.size.limit": "25",
  "producer.id.expiration.ms": "13",
  "replica.high.watermark.checkpoint.interval.ms": "14",
  "log.flush.offset.checkpoint.interval.ms": "15",
  "log.flush.start.offset.checkpoint.interval.ms": "16",
  "log.flush.scheduler.interval.ms": "17",
  "log.initial.task.delay.ms": "46",
  "log.retention.check.interval.ms": "47",
  "barnabas.shards": "18",
  "barnabas.log.append.mode": "mapped",
  "barnabas.log.format": "json",
  "barnabas.log.levels": "barnabas=error,barnabas.etcd=off",
  "message.max.bytes": "19",
  "broker.rack": "a",
  "broker.heartbeat.interval.ms": "48",
  "broker.session.timeout.ms": "49",
  "initial.broker.registration.timeout.ms": "50",
  "controlled.shutdown.enable": "false",
  "leader.imbalance.check.interval.seconds": "59",
  "replica.lag.time.max.ms": "51",
  "replica.fetch.backoff.ms": "52",
  "replica.fetch.max.bytes": "53",
  "replica.fetch.min.bytes": "54",
  "replica.fetch.response.max.bytes": "55",
  "replica.fetch.wait.max.ms": "56",
  "replica.socket.receive.buffer.bytes": "57",
  "replica.socket.timeout.ms": "58",
  "barnabas.inter.broker.secret": "a secret of brokers",
};

Deno.test("brokerConfigFrom() reads every setting into the field of its name", () => {
  const { config } = accept(plainProperties);
  const { properties: _, layers: __, logDefaults, ...all } = config;
  assert.deepEqual(without(/^(group|offsets|logCleaner|recovery)/, all), {
    nodeId: 2,
    ...{ rack: "a", etcd: null, interBrokerListenerName: "PLAINTEXT", interBrokerSecret: "a secret of brokers" },
    ...{ brokerSessionTimeoutMs: 49, brokerHeartbeatIntervalMs: 48, initialBrokerRegistrationTimeoutMs: 50 },
    ...{ controlledShutdownEnable: false, leaderRebalanceIntervalMs: 59_000, replicaLagTimeMaxMs: 51 },
    replicaFetch: {
      ...{ backoffMs: 52, maxBytes: 53, minBytes: 54, responseMaxBytes: 55, waitMaxMs: 56 },
      ...{ receiveBufferBytes: 57, socketTimeoutMs: 58 },
    },
    clusterId: "abc",
    host: "127.0.0.1",
    port: 9092,
    listeners: [{ name: "PLAINTEXT", host: "127.0.0.1", port: 9092 }],
    advertisedListeners: null,
    ...{ logDirectories: ["/data"], metadataLogDirectory: "/data" },
    numPartitions: 3,
    defaultReplicationFactor: 4,
    autoCreateTopicsEnable: false,
    deleteTopicEnable: false,
    minInsyncReplicas: 5,
    socketRequestMaxBytes: 6,
    socketSendBufferBytes: 7,
    socketReceiveBufferBytes: 8,
    queuedMaxRequestBytes: 24,
    connectionsMaxIdleMs: 9,
    maxConnections: 10,
    maxConnectionsPerIp: 20,
    maxConnectionsPerIpOverrides: { "10.0.0.1": 21, "::1": 22, "::2": 23 },
    maxConnectionCreationRate: 60,
    listenerConnectionCreationRates: new Map([["plaintext", 61]]),
    quotaWindowNum: 62,
    quotaWindowMs: 63_000,
    controllerQuotaWindowNum: 64,
    controllerQuotaWindowMs: 65_000,
    fetchMaxBytes: 1100,
    maxIncrementalFetchSessionCacheSlots: 12,
    maxRequestPartitionSizeLimit: 25,
    producerIdExpirationMs: 13,
    replicaHighWatermarkCheckpointIntervalMs: 14,
    logFlushOffsetCheckpointIntervalMs: 15,
    logFlushStartOffsetCheckpointIntervalMs: 16,
    logInitialTaskDelayMs: 46,
    logRetentionCheckIntervalMs: 47,
    logFlushSchedulerIntervalMs: 17,
    http: null,
    shards: 18,
    appendMode: "mapped",
    logFormat: "json",
    logLevels: logLevels("barnabas=error,barnabas.etcd=off"),
  });
  assert.deepEqual([logDefaults.maxMessageBytes, logDefaults.appendMode, logDefaults.flushMs], [19, "mapped", 17]);
});

Deno.test("brokerConfigFrom() reads every setting of compaction into the field of its name", () => {
  const { config } = accept({
    "log.cleaner.enable": "false",
    "log.cleaner.threads": "2",
    "log.cleaner.backoff.ms": "26",
    "log.cleaner.io.max.bytes.per.second": "2.7e1",
    "log.cleaner.dedupe.buffer.size": "2800000",
    "log.cleaner.io.buffer.load.factor": "0.29",
  });
  const fields = Object.fromEntries(Object.entries(config).filter(([name]) => name.startsWith("logCleaner")));
  assert.deepEqual(fields, {
    logCleanerEnable: false,
    logCleanerThreads: 2,
    logCleanerBackoffMs: 26,
    logCleanerIoMaxBytesPerSecond: 27,
    logCleanerDedupeBufferSize: 2_800_000,
    logCleanerIoBufferLoadFactor: 0.29,
  });
});

Deno.test("brokerConfigFrom() reads the settings of the HTTP listener, which exists only with a port", () => {
  assert.deepEqual(accept({ "barnabas.http.port": "9404" }).config.http, {
    ...{ host: "127.0.0.1", port: 9404, names: "jmx-exporter", speaksForExporter: false },
  });
  const all = {
    "barnabas.http.port": "0",
    "barnabas.http.host": "::1",
    "barnabas.metrics.names": "confluent",
    "barnabas.metrics.kafka.exporter": "true",
  };
  assert.deepEqual(accept(all).config.http, { host: "::1", port: 0, names: "confluent", speaksForExporter: true });
  const { "barnabas.http.port": _, ...withoutPort } = all;
  assert.equal(accept(withoutPort).config.http, null);
  for (
    const [name, text] of [
      ["barnabas.http.port", "65536"],
      ["barnabas.http.port", "-1"],
      ["barnabas.http.host", "a b"],
      ["barnabas.metrics.names", "JMX"],
      ["barnabas.metrics.kafka.exporter", "yes"],
    ] as const
  ) assert.ok("refused" in brokerConfigFrom(new Map([[name, text]])), `${name}=${text}`);
});

Deno.test("brokerConfigFrom() reads whether recovery trusts the page cache", () => {
  for (const text of ["true", "false"]) {
    const { config } = accept({ "barnabas.recovery.trust.page.cache": text });
    assert.equal(config.recoveryTrustsPageCache, text === "true");
  }
  assert.equal(accept({}).config.recoveryTrustsPageCache, true);
});

Deno.test("brokerConfigFrom() reads every setting of groups into the field of its name", () => {
  const { config } = accept(groupProperties);
  const fields = Object.fromEntries(Object.entries(config).filter(([name]) => /^(group|offsets)/.test(name)));
  assert.deepEqual(fields, {
    groups: {
      minSessionTimeoutMs: 31,
      maxSessionTimeoutMs: 32,
      initialRebalanceDelayMs: 33,
      maxSize: 34,
      consumerMaxSize: 35,
      consumerAssignors: ["range", "uniform"],
      consumerMigrationPolicy: "upgrade",
      consumerRegexRefreshIntervalMs: 10_036,
      offsetMetadataMaxBytes: 37,
      offsetsRetentionMs: 38 * 60_000,
      offsetsRetentionCheckIntervalMs: 39,
    },
    groupProtocols: ["classic"],
    offsetsTopicNumPartitions: 40,
    offsetsTopicReplicationFactor: 41,
    offsetsTopicSegmentBytes: 42,
    offsetsCommitTimeoutMs: 43,
  });
});

Deno.test("brokerConfigFrom() gives plain data that crosses isolates unchanged", () => {
  const { config } = accept({ "listeners": "PLAINTEXT://:1", "advertised.listeners": "PLAINTEXT://a:2" });
  assert.deepEqual(structuredClone(config), config);
});

Deno.test("brokerConfigFrom() lets options override listeners, log.dirs and barnabas.shards", () => {
  const properties = { "listeners": "OUTER://10.0.0.1:9092", "listener.security.protocol.map": "OUTER:PLAINTEXT" };
  const { config } = accept({ ...properties, "log.dirs": "/a", "barnabas.shards": "1" }, {
    port: 0,
    dataDir: "/b",
    shards: 2,
  });
  assert.deepEqual(config.listeners, [{ name: "OUTER", host: "10.0.0.1", port: 0 }]);
  assert.deepEqual([config.logDirectories, config.shards], [["/b"], 2]);
  assert.deepEqual(accept({}, { host: "::1" }).config.listeners, [{ name: "PLAINTEXT", host: "::1", port: 9092 }]);
  assert.deepEqual(accept({ listeners: "PLAINTEXT://[::1]:5" }, { port: 6 }).config.listeners, [
    { name: "PLAINTEXT", host: "::1", port: 6 },
  ]);
});

Deno.test("brokerConfigFrom() applies a port although there is a controller listener", () => {
  const properties = { "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093", "controller.listener.names": "CONTROLLER" };
  assert.deepEqual(accept(properties, { port: 7 }).config.listeners, [
    { name: "PLAINTEXT", host: "0.0.0.0", port: 7 },
  ]);
});

Deno.test("brokerConfigFrom() refuses a port for several listeners", () => {
  const listeners = { "listeners": "PLAINTEXT://:1,SSL://:2" };
  assert.match(refuse(listeners, { port: 3 }), /with several listeners, port and host are part of it/);
});

Deno.test("brokerConfigFrom() resolves aliases like Kafka", () => {
  assert.equal(accept({ "broker.id": "5" }).config.nodeId, 5);
  assert.equal(accept({ "broker.id": "5", "node.id": "6" }).config.nodeId, 6);
  assert.equal(accept({ "broker.id": "-1" }).config.nodeId, 1);
  assert.deepEqual(accept({ "log.dir": "/a" }).config.logDirectories, ["/a"]);
  assert.deepEqual(accept({ "log.dir": "/a", "log.dirs": "/b" }).config.logDirectories, ["/b"]);
});

Deno.test("brokerConfigFrom() treats a negative connections.max.idle.ms as no limit", () => {
  assert.equal(accept({ "connections.max.idle.ms": "-1" }).config.connectionsMaxIdleMs, Infinity);
});

Deno.test("brokerConfigFrom() refuses several data directories", () => {
  assert.deepEqual(accept({ "log.dirs": "/a, /b" }).config.logDirectories, ["/a", "/b"]);
  assert.equal(accept({ "log.dirs": "/a,/b" }).config.metadataLogDirectory, "/a");
  assert.equal(accept({ "log.dirs": "/a,/b", "metadata.log.dir": "/m" }).config.metadataLogDirectory, "/m");
  assert.match(refuse({ "log.dirs": "/a,/b,/a" }), /names a directory twice/);
  assert.match(refuse({ "log.dirs": "" }), /log\.dirs names no directory/);
  assert.match(refuse({}, { dataDir: "/a,b" }), /comma/);
});

Deno.test("brokerConfigFrom() refuses settings that would be dangerous to ignore", () => {
  assert.match(refuse({ "authorizer.class.name": "x.Y" }), /everybody would be let in/);
  assert.match(refuse({ "process.roles": "controller" }), /cannot be a controller alone/);
  assert.match(refuse({ "controller.quorum.voters": "1@a:1,2@b:1" }), /etcd/);
  assert.match(refuse({ "controller.quorum.bootstrap.servers": "a:1,b:1" }), /etcd/);
  assert.match(refuse({ "remote.log.storage.system.enable": "true" }), /remote storage/);
  assert.match(refuse({ "compression.lz4.level": "12" }), /Only 9 is supported/);
  assert.match(refuse({ "listeners": "SASL_SSL://:9092" }), /only PLAINTEXT is supported/);
  assert.deepEqual(accept({ "authorizer.class.name": "", "process.roles": "broker,controller" }).unused, [
    "authorizer.class.name",
    "process.roles",
  ]);
});

Deno.test("brokerConfigFrom() refuses values with Kafka's messages", () => {
  assert.equal(
    refuse({ "num.partitions": "0" }),
    "Invalid value 0 for configuration num.partitions: Value must be at least 1",
  );
  assert.match(
    refuse({ "log.cleaner.min.compaction.lag.ms": "9", "log.cleaner.max.compaction.lag.ms": "8" }),
    /conflict/,
  );
});

Deno.test("brokerConfigFrom() reports names that it does not use and settings without effect", () => {
  const { unused, withoutEffect, config } = accept({
    "num.io.threads": "8",
    "log.local.retention.bytes": "5",
    "not.kafka": "x",
    "num.partitions": " 2 ",
  });
  assert.deepEqual([unused, withoutEffect], [["num.io.threads", "not.kafka"], ["log.local.retention.bytes"]]);
  assert.deepEqual(config.properties, { "log.local.retention.bytes": "5", "num.partitions": "2" });
});

Deno.test("brokerConfigFrom() refuses malformed overrides of connections per address, and a limit of 0 without overrides", () => {
  for (const text of ["10.0.0.1", "10.0.0.1:x", "host:5", ":5", "10.0.0.1:5;10.0.0.2:6", "1:2"]) {
    assert.match(refuse({ "max.connections.per.ip.overrides": text }), /takes addresses with counts/, text);
  }
  assert.match(refuse({ "max.connections.per.ip": "0" }), /only if max\.connections\.per\.ip\.overrides/);
  assert.equal(
    accept({ "max.connections.per.ip": "0", "max.connections.per.ip.overrides": "::1:1" }).config.maxConnectionsPerIp,
    0,
  );
});

Deno.test("brokerConfigFrom() treats queued.max.request.bytes below 1 as no limit, and refuses a limit below one request", () => {
  for (const none of ["-1", "0"]) {
    assert.equal(accept({ "queued.max.request.bytes": none }).config.queuedMaxRequestBytes, Infinity);
  }
  const smaller = { "queued.max.request.bytes": "999", "socket.request.max.bytes": "1000" };
  assert.match(refuse(smaller), /queued\.max\.request\.bytes must be larger or equal to socket\.request\.max\.bytes/);
});
