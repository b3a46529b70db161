/**
 * How the parts of a broker are connected. Main isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import {
  Balancer,
  type Controller,
  type ControllerOptions,
  loadClusterParts,
  type LoadedMetadata,
  type LogDirectories,
  RetentionNotice,
} from "../../partitions/control.ts";
import { Acceptor } from "../accept/acceptor.ts";
import { ConnectionLimits } from "../accept/connection_limits.ts";
import type { ConnectionRates } from "../accept/connection_rates.ts";
import type { DescriptorBudget } from "../accept/descriptor_budget.ts";
import { bootstrapServers } from "../accept/listening.ts";
import { errorCode, errorName } from "../protocol/error_codes.ts";
import { DiskFailure, StartupError } from "../shards/broker_failures.ts";
import type { ShardPool } from "../shards/shard_pool.ts";
import type { BrokerHttp } from "../http/broker_http.ts";
import type { TopicOptions } from "./broker.ts";
import type { ClusterHomeParts } from "./cluster_home.ts";
import { type MetadataHome, OwnMetadata } from "./metadata_home.ts";
import type { MetadataNews } from "./metadata_news.ts";
import { log } from "./operator_log.ts";

/** Makes the home of the metadata that the settings ask for. */
export async function metadataHome(parts: Omit<ClusterHomeParts, "code">): Promise<MetadataHome> {
  const { config: { etcd }, sharedStore, failed } = parts;
  if (etcd === null && sharedStore === null) return new OwnMetadata(failed);
  const [{ ClusterHome }, code] = await Promise.all([import("./cluster_home.ts"), loadClusterParts()]);
  return new ClusterHome({ ...parts, code });
}

/** Starts the HTTP listener, if one is asked for. The code is loaded only then. */
export async function httpOf({ http }: BrokerConfig): Promise<BrokerHttp | null> {
  if (http === null) return null;
  const { BrokerHttp } = await import("../http/broker_http.ts");
  return new BrokerHttp(http, log.broker);
}

/** What the controller asks shards to do. */
export function callsTo(
  pool: ShardPool,
  news: MetadataNews,
): Pick<ControllerOptions, "publish" | "handOver" | "roll"> {
  return {
    publish: (delta) => {
      news.published(delta);
      return pool.publish(delta);
    },
    handOver: (from) => pool.handOver(from),
    roll: (place) => pool.roll(place),
  };
}

/** What is done when the disk of a log directory fails: the others go on, if they can. */
export function directoryFailures(
  directories: LogDirectories,
  { controller, onEnd }: { controller: Controller; onEnd: (reason: unknown) => void },
) {
  return (index: number, { message }: Error) => {
    const failed = `${message}. Log directory ${directories.opened[index]?.path} failed`;
    if (!directories.fail(index)) return onEnd(new DiskFailure(`${failed}, and the broker cannot go on without it`));
    log.storage.complain(`${failed}: its partitions are offline until a restart, the others serve`);
    controller.failDirectory(index).catch(onEnd);
  };
}

/** Loads the metadata, and reports what it found. */
export async function load(controller: Controller, directories: LogDirectories): Promise<LoadedMetadata> {
  const loaded = await controller.load(directories);
  for (const warning of loaded.warnings) log.storage.warn(warning);
  if (loaded.adopted.length > 0) await directories.unmarkRetention();
  return loaded;
}

/** Announces retention where older versions promised to keep all records. */
export function noticeOf(
  directories: LogDirectories,
  { config, shardsCount, ports }: { config: BrokerConfig; shardsCount: number; ports: readonly number[] },
): RetentionNotice {
  return new RetentionNotice({
    shardsCount,
    checkMs: config.logRetentionCheckIntervalMs,
    bootstrapServers: bootstrapServers(config.listeners, ports),
    mark: () => directories.markRetention(),
    ...log.storage,
  });
}

/** The limits of connections. */
export function connectionLimits(
  config: BrokerConfig,
  { descriptors, pool, partitionsCount }: {
    descriptors: DescriptorBudget;
    pool: ShardPool;
    partitionsCount: () => number;
  },
): ConnectionLimits {
  return new ConnectionLimits({ config, descriptors, openCount: () => pool.connectionsCount, partitionsCount });
}

/** Accepts connections for the shards. */
export function acceptorOf(limits: ConnectionLimits, rates: ConnectionRates, pool: ShardPool): Acceptor {
  return new Acceptor({ limits, rates }, {
    onConnection: (connection) => pool.transfer(connection),
    onWarning: log.connections.warn,
  });
}

/** Balances the load of the shards. */
export function balancerOf(controller: Controller, pool: ShardPool): Balancer {
  return new Balancer({
    shardsCount: pool.shardsCount,
    image: controller.image,
    watermarks: pool.watermarks,
    waitedUs: (shard) => pool.waitedUs(shard),
    handOver: (handOver) => controller.handOverPartition(handOver),
    report: log.topics.inform,
  });
}

/** Creates topics that do not exist yet. @throws StartupError when one is refused */
export async function createTopics(controller: Controller, topics: readonly TopicOptions[]): Promise<void> {
  if (topics.length === 0) return;
  const request = {
    topics: topics.map(({ name, partitions, configs }) => ({
      name,
      numPartitions: partitions ?? -1,
      replicationFactor: -1,
      assignments: [],
      configs: Object.entries(configs ?? {}).map(([name, value]) => ({ name, value })),
    })),
    timeoutMs: 60_000,
    validateOnly: false,
  };
  const { topics: results } = await controller.call("createTopics", { request, apiVersion: 7 });
  for (const { name, errorCode: code, errorMessage } of results) {
    if (code === errorCode.NONE || code === errorCode.TOPIC_ALREADY_EXISTS) continue;
    throw new StartupError(`Cannot create topic ${name}: ${errorMessage ?? errorName(code)}`);
  }
}
