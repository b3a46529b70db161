/**
 * Builds the broker's settings from properties: checks every value, resolves aliases, parses listeners. Settings that would be dangerous
 * to ignore are refused with a sentence; settings that are not used are reported. Pure; the main isolate runs it.
 *
 * Source: KafkaConfig (aliases and cross checks), Apache Kafka 4.3.1.
 */
import type { BrokerConfig } from "./broker_config.ts";
import { clusterSettingsFrom } from "./broker_cluster_settings.ts";
import { brokerDefinitions } from "./broker_definitions.ts";
import { groupSettingsFrom, refuseGroupSettings } from "./broker_group_settings.ts";
import { isListenerRate, quotaSettingsFrom } from "./broker_quota_settings.ts";
import { httpSettingsFrom } from "./broker_http_settings.ts";
import { parseConfigValue, requirement } from "../config_values.ts";
import { dynamicSettings, valueOf } from "./dynamic_settings.ts";
import { withoutPasswords } from "./hidden_values.ts";
import { type ParsedListeners, parseListeners } from "./listeners.ts";
import { logLevels } from "../log_lines.ts";
import { nearestName } from "../nearest_name.ts";
import { resolveLogConfig, validateTopicConfigs } from "../topics/topic_configs.ts";
import { topicDefinitions } from "../topics/topic_definitions.ts";

/** The settings and the properties without effect, or why the broker cannot run with these properties. */
export type BrokerConfigResult =
  | {
    readonly config: BrokerConfig;
    /** Names that this broker does not use, whether Kafka knows them or not. */
    readonly unused: string[];
    /** Names that are stored and shown but have no effect yet. */
    readonly withoutEffect: string[];
  }
  | { readonly refused: string };

/** Values of short flags and the embedding API; each overrides its property. */
export interface BrokerFlags {
  readonly port?: number;
  readonly host?: string;
  readonly dataDir?: string;
  readonly shards?: number;
  readonly nodeId?: number;
  /** "http://a:2379,http://b:2379", or "managed" */
  readonly etcd?: string;
  readonly rack?: string;
  /** Port of the HTTP listener. */
  readonly http?: number;
}

/** A thread of the cleaner needs more. */
const CLEANER_BUFFER_BYTES = 1024 * 1024;

/** Settings that this broker does not have; they are refused when ignoring them would expose data or split a cluster. */
const guards: ReadonlyMap<string, (text: string) => string | null> = new Map([
  [
    "authorizer.class.name",
    (text: string) => text === "" ? null : "access control is not supported so far: everybody would be let in",
  ],
  [
    "process.roles",
    (text: string) => text.includes("broker") ? null : "this program is a broker; it cannot be a controller alone",
  ],
  ["controller.quorum.voters", severalNodes],
  ["controller.quorum.bootstrap.servers", severalNodes],
  [
    "remote.log.storage.system.enable",
    (text: string) => /^true$/i.test(text) ? "remote storage is not supported so far" : null,
  ],
]);

/**
 * Builds the settings.
 * @param properties by Kafka's names, as read from a file and overrides
 * @param options values that override the properties
 */
export function brokerConfigFrom(
  properties: ReadonlyMap<string, string>,
  options: BrokerFlags = {},
): BrokerConfigResult {
  const merged = new Map(properties);
  const refusedOption = applyOptions(merged, options);
  if (refusedOption !== null) return { refused: refusedOption };
  const used: Record<string, string> = {};
  const [unused, withoutEffect]: [string[], string[]] = [[], []];
  for (const [name, text] of merged) {
    const guard = guards.get(name)?.(text.trim()) ?? null;
    if (guard !== null) return { refused: `${name}=${text}: ${guard}` };
    if (isListenerRate(name)) continue;
    const definition = brokerDefinitions.get(name);
    if (definition === undefined) {
      // Without the setting that was meant, the broker would run beside the cluster.
      if (name.startsWith("barnabas.etcd.")) return { refused: refuseUnknownSetting(name) ?? name };
      unused.push(name);
      continue;
    }
    const parsed = parseConfigValue(definition, text);
    if ("refused" in parsed) return { refused: parsed.refused };
    used[name] = parsed.text;
    if (definition.effect === "later") withoutEffect.push(name);
  }
  const conflict = refuseTogether(used);
  if (conflict !== null) return { refused: conflict };
  const config = build(used, merged);
  return "refused" in config ? config : { config, unused, withoutEffect };
}

/**
 * Checks the name of a setting that was given as an override. (Unknown names in a file are only reported.)
 * @returns null when the broker uses it, else a sentence with the nearest name
 */
export function refuseUnknownSetting(name: string): string | null {
  if (brokerDefinitions.has(name)) return null;
  const family = name.startsWith("barnabas.etcd.") ? "barnabas.etcd." : "";
  const nearest = nearestName(name, [...brokerDefinitions.keys()].filter((other) => other.startsWith(family)));
  const hint = nearest === null ? "README.md lists the settings" : `did you mean ${nearest}?`;
  return `this broker has no setting "${name}"; ${hint}`;
}

function build(
  used: Record<string, string>,
  properties: ReadonlyMap<string, string>,
): BrokerConfig | { refused: string } {
  const listeners = readListeners(used);
  if ("refused" in listeners) return listeners;
  const first = listeners.listeners[0];
  const logDirectories = list(
    used,
    used["log.dirs"] === undefined && used["log.dir"] !== undefined ? "log.dir" : "log.dirs",
  );
  const [firstDirectory] = logDirectories;
  if (firstDirectory === undefined || first === undefined) return { refused: "log.dirs names no directory" };
  if (new Set(logDirectories).size < logDirectories.length) {
    return { refused: `log.dirs=${logDirectories.join(",")} names a directory twice` };
  }
  const cluster = clusterSettingsFrom({ used, valueOf: (name) => valueOf(used, name), ...listeners });
  if ("refused" in cluster) return cluster;
  const number = (name: string) => Number(valueOf(used, name));
  const quotas = quotaSettingsFrom(number, properties);
  if ("refused" in quotas) return quotas;
  const flag = (name: string) => valueOf(used, name) === true;
  const appendMode = valueOf(used, "barnabas.log.append.mode") === "mapped" ? "mapped" : "pwrite";
  const idleMs = number("connections.max.idle.ms");
  const layers = { broker: {}, default: {}, static: withoutPasswords(used, brokerDefinitions) };
  return {
    nodeId: used["node.id"] === undefined && Number(used["broker.id"] ?? -1) >= 0
      ? number("broker.id")
      : number("node.id"),
    ...cluster,
    clusterId: used["barnabas.cluster.id"] ?? null,
    host: first.host,
    port: first.port,
    listeners: listeners.listeners,
    advertisedListeners: listeners.advertised,
    logDirectories,
    metadataLogDirectory: used["metadata.log.dir"] ?? firstDirectory,
    recoveryTrustsPageCache: flag("barnabas.recovery.trust.page.cache"),
    numPartitions: number("num.partitions"),
    defaultReplicationFactor: number("default.replication.factor"),
    autoCreateTopicsEnable: flag("auto.create.topics.enable"),
    deleteTopicEnable: flag("delete.topic.enable"),
    socketRequestMaxBytes: number("socket.request.max.bytes"),
    socketSendBufferBytes: number("socket.send.buffer.bytes"),
    socketReceiveBufferBytes: number("socket.receive.buffer.bytes"),
    queuedMaxRequestBytes: unlessPositive(number("queued.max.request.bytes"), Infinity),
    connectionsMaxIdleMs: idleMs < 0 ? Infinity : idleMs,
    ...quotas,
    fetchMaxBytes: number("fetch.max.bytes"),
    maxIncrementalFetchSessionCacheSlots: number("max.incremental.fetch.session.cache.slots"),
    maxRequestPartitionSizeLimit: number("max.request.partition.size.limit"),
    ...groupSettingsFrom((name) => valueOf(used, name)),
    replicaHighWatermarkCheckpointIntervalMs: number("replica.high.watermark.checkpoint.interval.ms"),
    logFlushOffsetCheckpointIntervalMs: number("log.flush.offset.checkpoint.interval.ms"),
    logFlushStartOffsetCheckpointIntervalMs: number("log.flush.start.offset.checkpoint.interval.ms"),
    logInitialTaskDelayMs: number("log.initial.task.delay.ms"),
    logRetentionCheckIntervalMs: number("log.retention.check.interval.ms"),
    logFlushSchedulerIntervalMs: number("log.flush.scheduler.interval.ms"),
    logCleanerEnable: flag("log.cleaner.enable"),
    http: httpSettingsFrom((name) => valueOf(used, name)),
    shards: number("barnabas.shards"),
    logFormat: valueOf(used, "barnabas.log.format") === "json" ? "json" : "text",
    logLevels: logLevels(String(valueOf(used, "barnabas.log.levels"))),
    appendMode,
    ...dynamicSettings(layers, { appendMode }),
  };
}

/** Adds the properties for which the options stand. @returns why that is not possible, or null */
function applyOptions(properties: Map<string, string>, flags: BrokerFlags): string | null {
  const { port, host, dataDir, shards, nodeId, etcd, rack, http } = flags;
  if (dataDir !== undefined) properties.set("log.dirs", dataDir);
  if (dataDir?.includes(",")) return `"${dataDir}": a data directory with a comma in its name is not supported`;
  if (shards !== undefined) properties.set("barnabas.shards", String(shards));
  if (nodeId !== undefined) properties.set("node.id", String(nodeId));
  if (etcd !== undefined) properties.set("barnabas.etcd.endpoints", etcd);
  if (rack !== undefined) properties.set("broker.rack", rack);
  if (http !== undefined) properties.set("barnabas.http.port", String(http));
  if (port === undefined && host === undefined) return null;
  const controllers = list(Object.fromEntries(properties), "controller.listener.names");
  const clients = list(Object.fromEntries(properties), "listeners").filter((text) =>
    !controllers.includes(text.split(":")[0] ?? "")
  );
  if (clients.length > 1) return `listeners=${clients.join(",")}: with several listeners, port and host are part of it`;
  const [, name = "PLAINTEXT", oldHost = "127.0.0.1", oldPort = "9092"] =
    /^(\w+):\/\/(.*):(\d+)$/.exec(clients[0] ?? "") ?? [];
  const newHost = host?.includes(":") ? `[${host.replace(/^\[|\]$/g, "")}]` : host;
  properties.set("listeners", `${name}://${newHost ?? oldHost}:${port ?? oldPort}`);
  return null;
}

function readListeners(used: Record<string, string>): ParsedListeners {
  return parseListeners({
    listeners: list(used, "listeners"),
    advertised: used["advertised.listeners"] === undefined ? null : list(used, "advertised.listeners"),
    protocols: String(valueOf(used, "listener.security.protocol.map")),
    controllerNames: list(used, "controller.listener.names").map((name) => name.toUpperCase()),
  });
}

/** Checks that concern several properties, including the properties that topics inherit. @param used checked one by one */
export function refuseTogether(used: Readonly<Record<string, string>>): string | null {
  const refused = refuseRequirements(used);
  if (refused !== null) return requirement(refused);
  const queuedBytes = Number(valueOf(used, "queued.max.request.bytes"));
  if (queuedBytes > 0 && queuedBytes < Number(valueOf(used, "socket.request.max.bytes"))) {
    return "queued.max.request.bytes must be larger or equal to socket.request.max.bytes";
  }
  const inherited: Record<string, string> = {};
  for (const { name, synonyms } of topicDefinitions.values()) {
    const text = synonyms.length === 1 ? used[synonyms[0]?.name ?? ""] : undefined;
    if (text !== undefined) inherited[name] = text;
  }
  return refuseGroupSettings((name) => Number(valueOf(used, name))) ?? validateTopicConfigs(inherited);
}

/** Kafka's requirements (KafkaConfig.validateValues, CleanerConfig). */
function refuseRequirements(used: Readonly<Record<string, string>>): string | null {
  const retention = resolveLogConfig({}, { properties: used, appendMode: "pwrite" }).retentionMs;
  if (retention === 0) return "log.retention.ms must be unlimited (-1) or, greater than or equal to 1";
  const threads = Number(valueOf(used, "log.cleaner.threads"));
  if (
    Math.floor(Number(valueOf(used, "log.cleaner.dedupe.buffer.size")) / Math.max(1, threads)) <= CLEANER_BUFFER_BYTES
  ) {
    return "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.";
  }
  if (Number(valueOf(used, "max.connections.per.ip")) > 0) return null;
  if ((used["max.connections.per.ip.overrides"] ?? "").trim() !== "") return null;
  return "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.";
}

function unlessPositive(value: number, otherwise: number): number {
  return value > 0 ? value : otherwise;
}

function severalNodes(text: string): string | null {
  if (text.split(",").length === 1) return null;
  return "several brokers share an etcd here, and have no controller quorum: take this out, and set barnabas.etcd.endpoints";
}

function list(used: Readonly<Record<string, string>>, name: string): readonly string[] {
  const value = valueOf(used, name);
  return typeof value === "object" ? value.filter((item) => item !== "") : [];
}
