/**
 * Starts a broker: opens its log directories and its metadata while the workers load, has the logs opened, then accepts connections. Main
 * isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import {
  atIntervals,
  checkpointsOf,
  Controller,
  LogDirectories,
  type RetentionNotice,
  speaksOfOthers,
  SqliteStore,
  WatermarkTable,
} from "../../partitions/control.ts";
import { randomUuid, unsupportedReason } from "../../storage/control.ts";
import { listenOn } from "../accept/listening.ts";
import { roomForPartitions } from "../accept/partition_slots.ts";
import { runFailure, StartupError, startupFailure } from "../shards/broker_failures.ts";
import { Compaction } from "../shards/compaction.ts";
import { openLogs } from "../shards/log_opening.ts";
import { ShardPool } from "../shards/shard_pool.ts";
import { shardResources, shardSettings } from "../shards/shard_settings.ts";
import type { Broker, BrokerOptions } from "./broker.ts";
import {
  acceptorOf,
  balancerOf,
  callsTo,
  connectionLimits,
  createTopics,
  directoryFailures,
  load,
  noticeOf,
} from "./broker_parts.ts";
import { inform, warn } from "./operator_log.ts";
import { RunningBroker } from "./running_broker.ts";

/**
 * Starts a broker.
 * @returns the broker when it serves requests and the topics of the options exist
 * @throws StartupError when the system or the version of Deno is not supported, a setting is wrong, a port is taken, or the data directory
 *         cannot be used
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  if (unsupportedReason !== null) throw new StartupError(unsupportedReason);
  await using started = new AsyncDisposableStack();
  const config = await configOf(options, started);
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {}); // `closed` reports the failure; the program need not look at it.
  const resources = await shardResources(config);
  const { descriptors, shardsCount } = resources;
  // Loading the shards' workers takes most of a start, so they start first. They stop before the store, because they use it.
  const pool = new ShardPool(resources, {
    onWarning: warn,
    onRetention: (event) => notice?.receive(event),
    onClosed: (peers) => limits.onClosed(peers),
    onCleaningAborted: (slot) => compaction?.onAborted(slot),
    onCacheDoubtful: () => opened?.caches.forEach((cache) => cache.doubt()),
    onFailure: (error) => ended.reject(error),
  });
  // Opened while the workers load, but released after they have ended, because it holds the lock.
  let opened: LogDirectories | null = null;
  let notice: RetentionNotice | null = null;
  let compaction: Compaction | null = null;
  started.defer(() => opened?.[Symbol.asyncDispose]());
  const store = started.adopt(new SqliteStore((error) => ended.reject(runFailure(error))), (store) => store.close());
  started.adopt(pool, (pool) => pool.stop());
  let partitionsCount = () => 0;
  const limits = connectionLimits(config, { descriptors, pool, partitionsCount: () => partitionsCount() });
  const acceptor = started.use(acceptorOf(limits, pool));
  try {
    const ports = config.listeners.map((listener) => listenOn(acceptor, listener));
    const checked = acceptor.check(); // takes milliseconds, during which directories are opened
    checked.catch(() => {}); // whichever fails first is reported
    const directories = opened = await LogDirectories.open({ ...config, report: warn });
    directories.warnings.forEach(warn);
    await Promise.all([store.open(directories.storePath), checked]);
    const controller: Controller = new Controller({
      store,
      config,
      shardsCount,
      slotsMax: WatermarkTable.SLOTS_MAX,
      ...callsTo(pool),
      saveLogStarts: () => checkpoints.writeLogStarts(),
      saveCheckpoints: async () => void await Promise.all([checkpoints.writeAll(), compaction?.offsets.write()]),
      room: (logs) => roomForPartitions(descriptors, { logs, connections: pool.connectionsCount }),
      report: atIntervals(warn),
      inform,
      newTopicId: randomUuid,
    });
    partitionsCount = () => controller.partitionsCount;
    const loaded = await load(controller, directories);
    notice = noticeOf(directories, { config, shardsCount, ports });
    const settings = await shardSettings(config, directories, { ...loaded, resources, report: warn });
    await openLogs(pool, { controller, directories, settings, report: inform });
    const [{ image }, { watermarks }] = [controller, pool];
    const place = { directories: directories.opened, report: warn };
    const onDirectoryFailed = directoryFailures(directories, { controller, onEnd: ended.reject });
    const checkpoints = started.use(checkpointsOf({ ...place, config, image, watermarks, onDirectoryFailed }));
    // After a crash, a line about a deleted topic would be taken for one about a new topic of the same name.
    if (speaksOfOthers(directories.checkpointed, image)) await checkpoints.writeAll();
    compaction = started.use(await Compaction.start({ ...place, config, image, shards: pool }));
    await createTopics(controller, options.topics ?? []);
    const balancer = balancerOf(controller, pool);
    acceptor.start();
    const parts = { acceptor, balancer, compaction, controller, pool, checkpoints, directories };
    return new RunningBroker({ ...parts, resources: started.move() }, { config, ports, shardsCount, ended });
  } catch (error) {
    throw startupFailure(error);
  }
}

async function configOf(options: BrokerOptions, started: AsyncDisposableStack): Promise<BrokerConfig> {
  if (options.config !== undefined) return options.config;
  const { host, port, shards } = options;
  let { dataDir } = options;
  if (dataDir === undefined && options.overrides?.["log.dirs"] === undefined) {
    dataDir = await Deno.makeTempDir({ prefix: "barnabas-" });
    started.defer(() => Deno.remove(dataDir as string, { recursive: true }));
  }
  const result = brokerConfigFrom(new Map(Object.entries(options.overrides ?? {})), { host, port, dataDir, shards });
  if ("refused" in result) throw new StartupError(result.refused);
  if (result.unused.length > 0) throw new StartupError(`This broker has no setting ${result.unused.join(", ")}`);
  return result.config;
}
