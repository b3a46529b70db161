/**
 * Entry module of a shard's worker. It builds the shard from the start message. Then it alternates between the reactor and, when
 * the main isolate has posted something, one turn of the event loop to receive it. The event loop also loads the group coordinator
 * when the shard gets its first groups.
 */
/// <reference lib="deno.worker" />
import {
  Arena,
  FlushLine,
  type GroupApis,
  GroupCoordinatorOnDemand,
  groupMessages,
  inbox,
  InterestTable,
  ISOLATE,
  IsolateTable,
  MetadataImage,
  outboxes,
  type PartitionFailure,
  Purgatory,
  ShardCoordinators,
  ShardPartitions,
  type ShardPartitionsParts,
  TurnCounter,
  WatermarkTable,
} from "../../partitions/mod.ts";
import { applySettings } from "../../partitions/config/broker/dynamic_settings.ts";
import { groupSettings } from "../../partitions/config/groups/group_configs.ts";
import { askForShortSlices, linuxFileSystem, nativeMemory, randomUuid, systemClock } from "../../storage/mod.ts";
import { AuthenticationOnDemand } from "../requests/authentication/authentication.ts";
import { ClusterView } from "../requests/cluster_view.ts";
import { ControlLink } from "../requests/control/control_link.ts";
import type { ShardServices } from "../requests/handler.ts";
import { clientQuotas } from "../requests/quotas/client_quotas.ts";
import { apis } from "../handlers/mod.ts";
import { REQUEST_BYTES_MAX, RequestMemory } from "../reactor/request_memory.ts";
import { Router } from "../requests/router.ts";
import { Shard } from "../reactor/shard.ts";
import { placedOnlyIn } from "./changed_places.ts";
import { type ClusterCodeParts, loadClusterCode } from "./fetching/cluster_code.ts";
import { JobLink } from "./job_link.ts";
import { beginsLeadership, NewLeaderships } from "../requests/replication/new_leaderships.ts";
import type { ShardFetching } from "./fetching/shard_fetching.ts";
import type { FromShard, ShardStart, ToShard } from "./shard_messages.ts";
import { ShardLog } from "./shard_log.ts";
import { shardLogStore, shardRetention } from "./logs/shard_log_store.ts";
import { ShardMetrics } from "./metrics/shard_metrics.ts";
import { shardReplication } from "./shard_replication.ts";
import { TopicWaits } from "../requests/produce/topic_waits.ts";

/** Workers of `node:worker_threads` have no `self`, but else the scope of other workers. */
const self = globalThis as unknown as DedicatedWorkerGlobalScope;

const post = (message: FromShard, transferred: Transferable[] = []) => self.postMessage(message, transferred);

/** A running shard, and how it receives messages. */
class ShardHost {
  readonly #start: ShardStart;
  readonly #image = new MetadataImage();
  readonly #newLeaderships = new NewLeaderships();
  readonly #isolates: IsolateTable;
  readonly #partitions: ShardPartitions;
  readonly #control = new ControlLink(post);
  readonly #authentication = new AuthenticationOnDemand();
  readonly #groupCoordinator: GroupCoordinatorOnDemand;
  readonly #coordinators: ShardCoordinators<GroupApis>;
  readonly #shard: Shard;
  readonly #turns: TurnCounter;
  readonly #metrics: ShardMetrics;
  readonly #jobs = new JobLink(post);
  readonly #log: ShardLog;
  readonly #fetchingParts: ClusterCodeParts;
  #fetching: ShardFetching | null = null;
  #received = 0;
  #isDraining = false;
  #isStopping = false;
  #wake: (() => void) | null = null;

  constructor(start: ShardStart) {
    this.#start = start;
    const { shard, state, config } = start;
    this.#isolates = new IsolateTable(state.isolates);
    this.#turns = new TurnCounter(this.#isolates, shard);
    const watermarks = new WatermarkTable(state.watermarks);
    const interest = new InterestTable(state.interest);
    const purgatory = new Purgatory(interest, shard);
    this.#metrics = new ShardMetrics(state, shard, purgatory);
    const ways = outboxes(state, shard);
    const requestBytesMax = Math.min(config.socketRequestMaxBytes, REQUEST_BYTES_MAX);
    const arena = new Arena(state.arenas[shard] as SharedArrayBuffer, { reservedBytes: 4 + requestBytesMax });
    const budgetBytes = config.queuedMaxRequestBytes / state.shardsCount;
    const log = this.#log = new ShardLog({ clock: systemClock, purgatory, post, levels: config.logLevels });
    const arenas = state.arenas.map((memory, owner) => owner === shard ? arena.memory : nativeMemory(memory));
    this.#partitions = this.#newPartitions({
      table: watermarks,
      interest,
      purgatory,
      outboxes: ways,
      arena,
      arenas,
      report: log.of("storage"),
    });
    this.#groupCoordinator = this.#newCoordinator(purgatory, log.of("groups"));
    this.#coordinators = new ShardCoordinators<GroupApis>({
      shard,
      coordinator: this.#groupCoordinator,
      messages: groupMessages,
      image: this.#image,
      nodeId: config.nodeId,
      arena,
      outboxes: ways,
      arenas,
    });
    this.#shard = new Shard({
      ...{ shard, clock: systemClock, fs: linuxFileSystem, arena, arenas },
      memory: new RequestMemory(arena, { budgetBytes, requestBytesMax }),
      inbox: inbox(state, shard),
      outboxes: ways,
      isolates: this.#isolates,
      turns: this.#turns,
      counters: this.#metrics.counters,
      eventFd: state.eventFds[shard] as number,
      purgatory,
      partitions: this.#partitions,
      coordinators: this.#coordinators,
      report: log.of("connections"),
      trace: log.debugOf("connections"),
      onClosed: (peers) => post({ type: "closed", peers }),
      onBrokerClosed: (broker) => this.#control.call("brokerDisconnected", { broker }, () => {}),
      load: (range, done) => this.#jobs.load(range, done),
      requestBytesMax,
      connectionsMaxIdleMs: config.connectionsMaxIdleMs,
      quotas: clientQuotas(start, this.#image),
      socketBuffers: { send: config.socketSendBufferBytes, receive: config.socketReceiveBufferBytes },
      listenerNames: start.listenerNames,
    });
    this.#fetchingParts = {
      report: log.of("replication"),
      ...{ config, arena, post, clock: systemClock, image: this.#image, authentication: this.#authentication },
      ...{ shard: this.#shard, owned: this.#partitions.owned, counters: this.#metrics.counters },
    };
    const services = this.#services({ purgatory, watermarks, arena });
    this.#shard.setRouter(new Router(apis, services));
  }

  /** Opens the logs and serves until the shard is stopped. */
  async serve(): Promise<void> {
    askForShortSlices();
    this.#metrics.observe({
      ...{ shard: this.#shard, clock: systemClock },
      ...{ partitions: this.#partitions, groups: this.#groupCoordinator },
    });
    this.#fetching = await loadClusterCode(this.#start, this.#fetchingParts);
    this.#apply(this.#start.image, (failures) => {
      const { warning, isIntact } = this.#partitions.owned.endStart();
      if (warning !== null) this.#log.of("storage")(warning);
      post({ type: "ready", failures, isIntact });
    });
    this.#partitions.owned.finishChanges();
    while (!this.#isStopping) {
      this.#shard.run(() => this.#needsEventLoop() || this.#isAborted() || this.#isDrained());
      if (this.#isAborted()) return this.#abort();
      if (this.#hasMessages()) await new Promise<void>((resolve) => this.#wake = resolve);
      if (this.#groupCoordinator.isWanted) await this.#loadCoordinator();
      this.#shard.sendReady();
      if (this.#isDrained()) this.#postDrained();
    }
    // Receives what other shards returned before they were drained.
    this.#shard.run(() => true);
    this.#shard.dispose();
    post({ type: "stopped", isClean: this.#partitions.owned.close({ clean: true }), lentFds: [] });
    self.close();
  }

  /**
   * Closes sockets and logs as they are: nothing is acknowledged any more, and recovery repairs the files at the next start.
   * @returns descriptors that other threads may use yet
   */
  abandon(): number[] {
    this.#shard.dispose();
    return this.#partitions.owned.abandon();
  }

  /** Receives a message after the first one. */
  receive(message: ToShard): void {
    const beganMs = systemClock.monotonicMs();
    this.#handle(message);
    this.#turns.count(systemClock.monotonicMs() - beganMs);
  }

  #handle(message: ToShard): void {
    this.#received++;
    switch (message.type) {
      case "delta":
        this.#apply(message.delta, (failures) => post({ type: "applied", sequence: message.sequence, failures }));
        break;
      case "handOver":
        this.#partitions.owned.handOver(
          message.slot,
          () => post({ type: "applied", sequence: message.sequence, failures: [] }),
        );
        break;
      case "roll":
        this.#partitions.owned.at(message.slot)?.roll(systemClock.wallMs());
        post({ type: "applied", sequence: message.sequence, failures: [] });
        break;
      case "reply":
        this.#control.receive(message.id, message.result);
        break;
      case "flushed":
      case "transcoded":
      case "found":
      case "loaded":
        this.#jobs.receive(message);
        break;
      case "connectRefused":
        this.#fetching?.refused(message.id);
        break;
      case "clean":
        this.#partitions.owned.cleanings.handle(
          message.request,
          (answer) => post({ type: "cleaning", id: message.id, answer }),
        );
        break;
      case "survey":
        post({ type: "surveyed", id: message.id, part: this.#metrics.survey(message.isFirst) });
        break;
      case "drain":
        this.#shard.disconnect();
        this.#coordinators.drain();
        this.#partitions.owned.stopFlushing();
        this.#isDraining = true;
        break;
      case "stop":
        this.#isStopping = true;
        break;
    }
    if (!this.#hasMessages()) this.#wake?.();
  }

  #services(parts: { purgatory: Purgatory; watermarks: WatermarkTable; arena: Arena }): ShardServices {
    const { shard, state, config, clusterId } = this.#start;
    const { purgatory, watermarks, arena } = parts;
    return {
      shard,
      shardsCount: state.shardsCount,
      authentication: this.#authentication,
      apis,
      partitions: this.#partitions,
      purgatory,
      newLeaderships: this.#newLeaderships,
      slices: this.#shard.slices,
      watermarks,
      traffic: this.#metrics.traffic,
      kept: this.#metrics.kept,
      arena: arena.memory,
      image: this.#image,
      control: this.#control,
      topicWaits: new TopicWaits({ control: this.#control, purgatory, clock: systemClock }),
      groups: this.#coordinators,
      clock: systemClock,
      random: Math.random,
      nodeId: config.nodeId,
      cluster: new ClusterView({ clusterId, ownId: config.nodeId, image: this.#image }),
      config,
    };
  }

  #newPartitions(
    parts: Pick<
      ShardPartitionsParts,
      "table" | "interest" | "purgatory" | "outboxes" | "arena" | "arenas" | "report"
    >,
  ): ShardPartitions {
    const { shard, state, config } = this.#start;
    return new ShardPartitions({
      ...parts,
      shard,
      nodeId: config.nodeId,
      clock: systemClock,
      store: shardLogStore(this.#start, { jobs: this.#jobs, report: parts.report, post }),
      flushCheckMs: config.logFlushSchedulerIntervalMs,
      retention: shardRetention(this.#start),
      onFlushed: (tookMs) => this.#metrics.counters.countFlush(tookMs * 1000),
      flush: (request, done) => this.#jobs.flush([request], ([outcome = "failed"]) => done(outcome)),
      flushLines: FlushLine.allOf(state, shard, {
        onUnserved: (directory) => post({ type: "flushWorkerNeeded", directory }),
        flushElsewhere: (requests, done) => this.#jobs.flush(requests, done),
      }),
      codecs: this.#jobs,
      flushDirectory: (directory, done) => this.#jobs.flushDirectory(directory, done),
      onCleaningNotice: (notice) => post({ type: "cleaningNotice", notice }),
      unlink: (paths) => post({ type: "unlink", paths }),
      onCacheDoubtful: () => post({ type: "cacheDoubtful" }),
      load: (paths, done, tails = []) => this.#jobs.loadFiles(paths, tails, done),
      onRetention: (event) => post({ type: "retention", event }),
      replication: shardReplication(this.#start, this.#isolates, { image: this.#image, control: this.#control }),
    });
  }

  #newCoordinator(purgatory: Purgatory, report: (text: string) => void): GroupCoordinatorOnDemand {
    const { shard, config } = this.#start;
    return new GroupCoordinatorOnDemand({
      shard,
      shardsCount: this.#start.state.shardsCount,
      clock: systemClock,
      fs: linuxFileSystem,
      image: this.#image,
      partitions: this.#partitions,
      purgatory,
      settings: config.groups,
      offsetsCommitTimeoutMs: config.offsetsCommitTimeoutMs,
      settingsOf: groupSettings(this.#image, config),
      newId: randomUuid,
      report,
    });
  }

  /** Loads the coordinator for the shard's first groups. No request is served meanwhile, for about 25 ms, once in the shard's life. */
  async #loadCoordinator(): Promise<void> {
    const beganMs = systemClock.monotonicMs();
    this.#groupCoordinator.use(await import("../../partitions/coordinators/groups/group_coordinator.ts"));
    this.#turns.count(systemClock.monotonicMs() - beganMs);
  }

  #needsEventLoop(): boolean {
    return this.#hasMessages() || this.#groupCoordinator.isWanted;
  }

  #hasMessages(): boolean {
    return ((this.#isolates.get(this.#start.shard, ISOLATE.posted) - this.#received) | 0) > 0;
  }

  /**
   * Whether the shard was told to drain, has finished its work, and waits for no answer of another shard. Such an answer may bring
   * a lease that has to be returned.
   */
  #isDrained(): boolean {
    if (!this.#isDraining || !this.#shard.slices.isEmpty) return false;
    return this.#partitions.inFlight === 0 && this.#coordinators.inFlight === 0;
  }

  #postDrained(): void {
    this.#isDraining = false;
    post({ type: "drained" });
  }

  #isAborted(): boolean {
    return this.#isolates.get(this.#start.shard, ISOLATE.stopping) === 1;
  }

  /** Ends the shard because another part of the broker failed. */
  #abort(): void {
    post({ type: "stopped", isClean: false, lentFds: this.abandon() });
    self.close();
  }

  /** Applies a change to the image at once; the partitions follow in the next turns. @param done gets what the disk refused */
  #apply(delta: ShardStart["image"], done: (failures: readonly PartitionFailure[]) => void): void {
    const deleted = delta.deletedIds.flatMap((id) => this.#image.topicById(id) ?? []);
    const shrunk = delta.changed.flatMap((topic) => placedOnlyIn(this.#image.topicById(topic.id), topic));
    const begun = delta.changed.flatMap((topic) => placedOnlyIn(topic, this.#image.topicById(topic.id)));
    const begins = beginsLeadership(delta.changed, this.#image, this.#start.config.nodeId);
    this.#metrics.forget([...deleted, ...shrunk, ...begun]);
    if (delta.brokerSettings !== undefined) applySettings(this.#start.config, delta.brokerSettings);
    this.#image.apply(delta);
    if (begins) this.#newLeaderships.begin(systemClock.monotonicMs());
    if (delta.brokers !== undefined) this.#partitions.owned.onBrokers();
    const topics = { changed: delta.changed, deleted };
    this.#partitions.owned.change(
      { ...topics, deleted: [...deleted, ...shrunk] },
      (failures) =>
        this.#groupCoordinator.prepare(topics, () => {
          this.#coordinators.onImage(topics);
          done(failures);
        }),
    );
  }
}

let host: ShardHost | null = null;

self.onmessage = ({ data }: MessageEvent<ToShard>) => {
  if (data.type !== "start") return host?.receive(data);
  const started = new ShardHost(data);
  host = started;
  started.serve().catch((error: unknown) => {
    // Descriptors belong to the process: without this, clients of a failed shard would wait for ever.
    try {
      started.abandon();
    } finally {
      // deno-lint-ignore no-unsafe-finally -- the first failure is the one to report
      throw error;
    }
  });
};
