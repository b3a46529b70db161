/**
 * Barnabas as a library: a Kafka-protocol broker inside this process, the same engine that `main.ts` runs.
 *
 * ```ts
 * await using broker = await startBroker({ port: 0 });
 * console.log(broker.bootstrapServers); // 127.0.0.1:41234
 * ```
 *
 * Runs on the main isolate of the embedding program; the work is done by workers that the broker starts.
 *
 * @module
 */
import { getLogger } from "npm:@logtape/logtape@2.4.2";
import {
  Acceptor,
  bootstrapServers,
  Compaction,
  ConnectionLimits,
  type DescriptorBudget,
  DiskFailure,
  listenOn,
  openLogs,
  roomForPartitions,
  runFailure,
  ShardPool,
  shardResources,
  shardSettings,
  StartupError,
  startupFailure,
} from "./net/mod.ts";
import type { BrokerConfig } from "./partitions/config/broker/broker_config.ts";
import { brokerConfigFrom } from "./partitions/config/broker/broker_properties.ts";
import {
  atIntervals,
  Balancer,
  type Checkpoints,
  checkpointsOf,
  Controller,
  type LoadedMetadata,
  LogDirectories,
  notClosedCleanly,
  RetentionNotice,
  speaksOfOthers,
  SqliteStore,
  type TurnTimes,
  WatermarkTable,
} from "./partitions/control.ts";
import { errorCode, errorName } from "./net/protocol/error_codes.ts";
import { randomUuid, unsupportedReason } from "./storage/control.ts";

export { DiskFailure, StartupError };
export { TURN_TIME_BOUNDS_MS, type TurnTimes } from "./partitions/control.ts";

const logger = getLogger(["barnabas"]);
/** Most partitions that a warning names. */
const NAMED_MAX = 5;
const warn = (text: string) => logger.warn("{text}", { text });
const inform = (text: string) => logger.info("{text}", { text });

/** A topic that exists when the broker has started. */
export interface TopicOptions {
  readonly name: string;
  /** `num.partitions` where absent. */
  readonly partitions?: number;
  /** By Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** How a broker is started; every option may be left out. */
export interface BrokerOptions {
  /** 9092 where absent; 0 takes any free port. */
  readonly port?: number;
  /** 127.0.0.1 where absent. */
  readonly host?: string;
  /** Kafka's `log.dirs`; a temporary directory where absent, removed when the broker is closed. */
  readonly dataDir?: string;
  /** Workers that own partitions and connections; one per core where absent. */
  readonly shards?: number;
  /** Topics to create where they do not exist. */
  readonly topics?: readonly TopicOptions[];
  /** Settings by Kafka's names (`"message.max.bytes": "2000000"`). */
  readonly overrides?: Readonly<Record<string, string>>;
  /** All settings at once, as read from the command line. If present, the options above except `topics` are ignored. */
  readonly config?: BrokerConfig;
}

/** A running broker. Disposing of it closes it. */
export interface Broker extends AsyncDisposable {
  readonly host: string;
  /** The port that the broker listens on, also where the options said 0. */
  readonly port: number;
  /** For a client's `bootstrap.servers`: every listener, comma-separated. */
  readonly bootstrapServers: string;
  readonly dataDir: string;
  readonly shards: number;
  /**
   * Resolves when the broker has been closed; rejects when a part of it failed, with a DiskFailure when that was the disk. After either it
   * serves nothing.
   */
  readonly closed: Promise<void>;
  /** How long the turns of each shard's reactor took since the start. During a long turn all clients of the shard wait. */
  turnTimes(): TurnTimes[];
  /**
   * Exceptions of request handlers since the start, one number for each shard. Each is a bug of the broker, was logged with its stack and
   * cost one connection. Please report any number but 0. Wraps at 2^32.
   */
  handlerFailures(): number[];
  /** Stops cleanly: closes connections, then makes logs and checkpoints durable. Idempotent. */
  close(): Promise<void>;
}

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
    const settings = shardSettings(config, directories, { ...loaded, resources, report: warn });
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

/** The parts of a running broker. `resources` disposes of everything in the reverse order of its creation. */
interface BrokerParts {
  readonly acceptor: Acceptor;
  readonly balancer: Balancer;
  readonly compaction: Compaction;
  readonly controller: Controller;
  readonly pool: ShardPool;
  readonly checkpoints: Checkpoints;
  readonly directories: LogDirectories;
  readonly resources: AsyncDisposableStack;
}

class RunningBroker implements Broker {
  readonly host: string;
  readonly port: number;
  readonly bootstrapServers: string;
  readonly dataDir: string;
  readonly shards: number;
  readonly closed: Promise<void>;
  /** For tests that hand partitions over, and that compact at their own time. */
  readonly controller: Controller;
  readonly compaction: Compaction;
  readonly #parts: BrokerParts;
  readonly #ended: PromiseWithResolvers<void>;
  #closing: Promise<void> | null = null;
  #releasing: Promise<void> | null = null;

  constructor(
    parts: BrokerParts,
    about: { config: BrokerConfig; ports: number[]; shardsCount: number; ended: PromiseWithResolvers<void> },
  ) {
    this.#parts = parts;
    this.controller = parts.controller;
    this.compaction = parts.compaction;
    const { listeners } = about.config;
    this.host = listeners[0]?.host ?? about.config.host;
    this.port = about.ports[0] ?? about.config.port;
    this.bootstrapServers = bootstrapServers(listeners, about.ports);
    this.dataDir = parts.directories.opened.map(({ path }) => path).join(", ");
    this.shards = about.shardsCount;
    this.#ended = about.ended;
    // A failure ends everything that still runs. Acknowledged records are in the files, and recovery finds them.
    this.closed = about.ended.promise.catch(async (reason) => {
      try {
        await this.#release();
      } catch (error) {
        if (error !== reason) logger.error("Cannot end the broker in order: {reason}", { reason: String(error) });
      }
      throw reason;
    });
    this.closed.catch(() => {});
  }

  turnTimes(): TurnTimes[] {
    return this.#parts.pool.turnTimes();
  }

  handlerFailures(): number[] {
    return this.#parts.pool.handlerFailures();
  }

  close(): Promise<void> {
    this.#closing ??= this.#release().then(
      () => this.#ended.resolve(),
      (error) => this.#ended.reject(error),
    );
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #release(): Promise<void> {
    this.#releasing ??= this.#releaseParts().catch((error) => Promise.reject(runFailure(error)));
    return this.#releasing;
  }

  async #releaseParts(): Promise<void> {
    const { acceptor, balancer, compaction, controller, pool, checkpoints, directories } = this.#parts;
    await using _resources = this.#parts.resources;
    await acceptor.close();
    // First each partition that is being handed over is opened by its new shard, because that shard makes its log durable.
    await balancer.stop();
    await controller.stopMoves();
    await compaction.stop();
    await pool.stop();
    for (const cache of directories.caches) cache.forget();
    const refusals = await checkpoints.stop();
    for (const [directory, { path, isOnline }] of directories.opened.entries()) {
      if (!pool.isClean || !isOnline || refusals.has(directory)) continue;
      const unclosed = notClosedCleanly(controller.image, pool.watermarks, directory);
      if (unclosed.length === 0) directories.markClean(directory);
      else warn(`The next start checks all logs in ${path}, because some were not open: ${firstOf(unclosed)}`);
    }
    for (const [, refusal] of refusals) throw refusal;
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

/** What the controller asks shards to do. */
function callsTo(pool: ShardPool): Pick<ConstructorParameters<typeof Controller>[0], "publish" | "handOver" | "roll"> {
  return {
    publish: (delta) => pool.publish(delta),
    handOver: (from) => pool.handOver(from),
    roll: (place) => pool.roll(place),
  };
}

/** What is done when the disk of a log directory fails: the others go on, if they can. */
function directoryFailures(
  directories: LogDirectories,
  { controller, onEnd }: { controller: Controller; onEnd: (reason: unknown) => void },
) {
  return (index: number, { message }: Error) => {
    const failed = `${message}. Log directory ${directories.opened[index]?.path} failed`;
    if (!directories.fail(index)) return onEnd(new DiskFailure(`${failed}, and the broker cannot go on without it`));
    warn(`${failed}: its partitions are offline until a restart, the others serve`);
    controller.failDirectory(index).catch(onEnd);
  };
}

async function load(controller: Controller, directories: LogDirectories): Promise<LoadedMetadata> {
  const loaded = await controller.load(directories);
  loaded.warnings.forEach(warn);
  if (loaded.adopted.length > 0) await directories.unmarkRetention();
  return loaded;
}

function noticeOf(
  directories: LogDirectories,
  { config, shardsCount, ports }: { config: BrokerConfig; shardsCount: number; ports: readonly number[] },
): RetentionNotice {
  return new RetentionNotice({
    shardsCount,
    checkMs: config.logRetentionCheckIntervalMs,
    bootstrapServers: bootstrapServers(config.listeners, ports),
    mark: () => directories.markRetention(),
    warn,
    inform,
  });
}

function connectionLimits(
  config: BrokerConfig,
  { descriptors, pool, partitionsCount }: {
    descriptors: DescriptorBudget;
    pool: ShardPool;
    partitionsCount: () => number;
  },
): ConnectionLimits {
  return new ConnectionLimits({ ...config, descriptors, openCount: () => pool.connectionsCount, partitionsCount });
}

function acceptorOf(limits: ConnectionLimits, pool: ShardPool): Acceptor {
  return new Acceptor(limits, {
    onConnection: (connection) => pool.transfer(connection),
    onWarning: atIntervals(warn),
  });
}

function balancerOf(controller: Controller, pool: ShardPool): Balancer {
  return new Balancer({
    shardsCount: pool.shardsCount,
    image: controller.image,
    watermarks: pool.watermarks,
    waitedUs: (shard) => pool.waitedUs(shard),
    handOver: (handOver) => controller.handOverPartition(handOver),
    report: inform,
  });
}

/** The first names of a list. */
function firstOf(names: readonly string[]): string {
  const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : "";
  return names.slice(0, NAMED_MAX).join(", ") + more;
}

async function createTopics(controller: Controller, topics: readonly TopicOptions[]): Promise<void> {
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
