/**
 * A broker that runs: what it tells of itself, and its end. Main isolate.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import {
  type Balancer,
  type Checkpoints,
  type Controller,
  type LogDirectories,
  notClosedCleanly,
  type ReloadedSettings,
  type TurnTimes,
} from "../../partitions/control.ts";
import { firstNames } from "../../storage/base/first_names.ts";
import type { Acceptor } from "../accept/acceptor.ts";
import { bootstrapServers } from "../accept/listening.ts";
import { runFailure } from "../shards/broker_failures.ts";
import type { Compaction } from "../shards/compaction.ts";
import type { ShardPool } from "../shards/shard_pool.ts";
import type { BrokerHttp } from "../http/broker_http.ts";
import type { Broker } from "./broker.ts";
import type { MetadataHome } from "./metadata_home.ts";
import { log } from "./operator_log.ts";

/** The parts of a running broker. `resources` disposes of everything in the reverse order of its creation. */
export interface BrokerParts {
  readonly acceptor: Acceptor;
  readonly balancer: Balancer;
  readonly compaction: Compaction;
  readonly controller: Controller;
  readonly home: MetadataHome;
  readonly pool: ShardPool;
  readonly checkpoints: Checkpoints;
  readonly directories: LogDirectories;
  readonly http: BrokerHttp | null;
  readonly resources: AsyncDisposableStack;
}

/** The broker. */
export class RunningBroker implements Broker {
  readonly host: string;
  readonly port: number;
  readonly bootstrapServers: string;
  readonly httpPort: number | null;
  readonly dataDir: string;
  readonly shards: number;
  readonly closed: Promise<void>;
  /** For tests that hand partitions over, publish what other brokers did, and compact at their own time. */
  readonly controller: Controller;
  readonly pool: ShardPool;
  readonly compaction: Compaction;
  readonly #parts: BrokerParts;
  readonly #ended: PromiseWithResolvers<void>;
  #closing: Promise<void> | null = null;
  #releasing: Promise<void> | null = null;

  constructor(
    parts: BrokerParts,
    about: {
      config: BrokerConfig;
      ports: number[];
      httpPort: number | null;
      shardsCount: number;
      ended: PromiseWithResolvers<void>;
    },
  ) {
    this.#parts = parts;
    this.controller = parts.controller;
    this.pool = parts.pool;
    this.compaction = parts.compaction;
    const { listeners } = about.config;
    this.host = listeners[0]?.host ?? about.config.host;
    this.port = about.ports[0] ?? about.config.port;
    this.bootstrapServers = bootstrapServers(listeners, about.ports);
    this.httpPort = about.httpPort;
    this.dataDir = parts.directories.opened.map(({ path }) => path).join(", ");
    this.shards = about.shardsCount;
    this.#ended = about.ended;
    // A failure ends everything that still runs. Acknowledged records are in the files, and recovery finds them.
    this.closed = about.ended.promise.catch(async (reason) => {
      parts.home.abandon();
      try {
        await this.#release();
      } catch (error) {
        if (error !== reason) log.broker.complain(`Cannot end the broker in order: ${error}`);
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

  reload(config: BrokerConfig): Promise<ReloadedSettings | { readonly refused: string }> {
    return this.controller.reload(config);
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
    const { acceptor, balancer, compaction, controller, home, pool, checkpoints, directories, http } = this.#parts;
    await using _resources = this.#parts.resources;
    http?.stopping();
    await home.leave();
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
      if (unclosed.length === 0) directories.markClean(directory, home.brokerEpoch);
      else {
        const names = firstNames(unclosed);
        log.storage.warn(`The next start checks all logs in ${path}, because some were not open: ${names}`);
      }
    }
    for (const [, refusal] of refusals) throw refusal;
  }
}
