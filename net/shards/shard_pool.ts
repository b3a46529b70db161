/**
 * The shards as the main isolate sees them. It starts their workers, posts changes of the image and waits until all shards applied
 * them, answers their control calls, transfers connections to them, and stops them. When one shard fails, all others are stopped, so
 * that the broker never runs with a part of its shards. Runs on the main isolate and never blocks.
 */
import { assert } from "../../storage/base/assert.ts";
import {
  allocateSharedState,
  type CleaningAnswer,
  type CleaningRequest,
  type ControlCallName,
  type ControlCalls,
  type ControlPlane,
  CounterReader,
  emptyWatermarks,
  FlushWorkerHosts,
  type ImageDelta,
  ISOLATE,
  IsolateTable,
  type Outbox,
  outboxes,
  type PartitionFailure,
  partitionState,
  releaseSharedState,
  type SharedState,
  type TurnTimes,
  TurnTimesReader,
  WatermarkTable,
} from "../../partitions/control.ts";
import { returnFreedMemory } from "../../storage/control.ts";
import type { AcceptedConnection } from "../accept/acceptor.ts";
import { HEAP_GROWTH_BYTES, HeapGarbage } from "./memory/heap_garbage.ts";
import { MemoryReturn } from "./memory/memory_return.ts";
import { AwaitedReplies } from "./pool/awaited_replies.ts";
import type { ShardPoolEvents } from "./pool_events.ts";
import type { StartProgress } from "./start_progress.ts";
import { ShardJobs } from "./shard_jobs.ts";
import type { FromShard, ShardStart, ToShard } from "./shard_messages.ts";
import { type ShardThread, startShardThread } from "./shard_thread.ts";
import { type ShardSurvey, ShardSurveys } from "./metrics/shard_surveys.ts";
import { Transfers } from "./transfers.ts";

/** What every shard starts with, besides its number and the shared memory. */
export type ShardSettings = Omit<ShardStart, "type" | "shard" | "state">;

interface Member {
  readonly worker: ShardThread;
  readonly outbox: Outbox;
  /** Messages posted after the start. */
  posted: number;
  /** It has closed everything, or its worker died. */
  hasEnded: boolean;
}

/** What `#awaitAll` waits for. The positive numbers are those of deltas and of partitions that are handed over. */
const READY = 0;
const DRAINED = -1;
const STOPPED = -2;
/** After a failure the other shards get this long to close their sockets and files. */
const ABORT_MS_MAX = 5000;

/** The pool. */
export class ShardPool {
  readonly shardsCount: number;
  readonly watermarks: WatermarkTable;
  readonly #state: SharedState;
  /** What the isolates tell each other of themselves. */
  readonly isolates: IsolateTable;
  /** What the shards have counted for the metrics. */
  readonly counters: CounterReader;
  readonly #turns: TurnTimesReader;
  readonly #members: Member[] = [];
  readonly #events: ShardPoolEvents;
  readonly #awaited = new AwaitedReplies();
  #control: ControlPlane | null = null;
  #progress: StartProgress | null = null;
  #nextSequence = 1;
  #failure: Error | null = null;
  readonly #flushWorkers: FlushWorkerHosts;
  readonly #transfers: Transfers;
  /** Work for shards that runs on other threads. */
  readonly #jobs: ShardJobs;
  readonly #cleanings = new Map<number, PromiseWithResolvers<CleaningAnswer>>();
  readonly #surveys: ShardSurveys;
  readonly #memoryReturn = new MemoryReturn({
    turnsCount: () => this.#turns.turnsCount,
    returnMemory: returnFreedMemory,
  });
  readonly #garbage = new HeapGarbage(HEAP_GROWTH_BYTES.main);
  #isStarted = false;
  #stopping: Promise<void> | null = null;
  /** The workers have ended and their eventfds are closed, so nothing may be sent to them. */
  #isOver = false;
  #isClean = true;
  #onEnded: (() => void) | null = null;

  /** Starts the workers. They load their modules while the caller reads the metadata. */
  constructor(counts: { shardsCount: number; directoriesCount: number }, events: ShardPoolEvents) {
    const shardsCount = this.shardsCount = counts.shardsCount;
    this.#events = events;
    this.#state = allocateSharedState(shardsCount, counts.directoriesCount);
    this.watermarks = new WatermarkTable(this.#state.watermarks);
    this.isolates = new IsolateTable(this.#state.isolates);
    this.counters = new CounterReader(this.#state);
    this.#turns = new TurnTimesReader(this.isolates, shardsCount);
    this.#surveys = new ShardSurveys({
      shardsCount,
      post: (...message) => this.#post(...message),
      nowMs: () => performance.now(),
    });
    this.#jobs = new ShardJobs({
      arenas: this.#state.arenas,
      post: (...message) => this.#post(...message),
      report: (line) => events.onLine(line),
      onFlushFailed: () => events.onCacheDoubtful(),
    });
    this.#flushWorkers = new FlushWorkerHosts(this.#state, (error) => this.#fail(error));
    const ways = outboxes(this.#state, shardsCount);
    this.#transfers = new Transfers(this.isolates, ways);
    for (const [shard, outbox] of ways.entries()) {
      const worker = startShardThread(shard, {
        onMessage: (message) => this.#receive(shard, message),
        onError: ({ message }) => {
          this.#markEnded(shard);
          this.#fail(new Error(`Shard ${shard} failed: ${message}`));
        },
      });
      this.#members.push({ worker, outbox, posted: 0, hasEnded: false });
    }
  }

  /**
   * Lets the shards open their logs. Settles when every shard serves.
   * @param control answers their control calls @param progress learns how far they are
   */
  async start(settings: ShardSettings, control: ControlPlane, progress: StartProgress): Promise<void> {
    this.#control = control;
    this.#progress = progress;
    await this.#awaitAll(READY, () => {
      this.#isStarted = true;
      for (const [shard, { worker }] of this.#members.entries()) {
        const start: ShardStart = { type: "start", shard, state: this.#state, ...settings };
        worker.postMessage(start, []);
      }
    });
  }

  /** Publishes a change of the image. Settles when every shard has applied it, with what the shards could not do. */
  publish(delta: ImageDelta): Promise<readonly PartitionFailure[]> {
    const sequence = this.#nextSequence++;
    return this.#postToAll(sequence, { type: "delta", sequence, delta });
  }

  /** Asks a shard to hand a partition over to another one. Settles when the shard has tried. @returns whether it succeeded */
  async handOver({ shard, slot }: { shard: number; slot: number }): Promise<boolean> {
    const sequence = this.#nextSequence++;
    await this.#await(sequence, 1, () => this.#post(shard, { type: "handOver", sequence, slot }));
    return this.watermarks.read(slot, emptyWatermarks()).state === partitionState.handedOver;
  }

  /** Asks a shard to close the active segment of a partition. Settles when the shard has tried. */
  async roll({ shard, slot }: { shard: number; slot: number }): Promise<void> {
    const sequence = this.#nextSequence++;
    await this.#await(sequence, 1, () => this.#post(shard, { type: "roll", sequence, slot }));
  }

  /** Asks a shard something for the compaction of its logs. @throws Error when the broker has stopped or failed meanwhile */
  clean(shard: number, request: CleaningRequest): Promise<CleaningAnswer> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isOver) return Promise.reject(new Error("The broker has stopped"));
    const id = this.#nextSequence++;
    const answer = Promise.withResolvers<CleaningAnswer>();
    this.#cleanings.set(id, answer);
    this.#post(shard, { type: "clean", id, request });
    return answer.promise;
  }

  /** Microseconds that a shard has waited for work in total; wraps at 2^32. */
  waitedUs(shard: number): number {
    return this.isolates.get(shard, ISOLATE.waited);
  }

  /** What the shards say of themselves for the metrics, of the last second at the earliest. Settles when they have answered. */
  survey(): Promise<readonly ShardSurvey[]> {
    return this.#isStarted && !this.#isOver && this.#failure === null ? this.#surveys.take() : Promise.resolve([]);
  }

  /** How long the turns of each shard took. */
  turnTimes(): TurnTimes[] {
    return this.#turns.read();
  }

  /** How many handlers of each shard threw, each of which closed its connection; wraps at 2^32. */
  handlerFailures(): number[] {
    return this.#members.map((_, shard) => this.isolates.get(shard, ISOLATE.handlerFailures) >>> 0);
  }

  /** Records that the follower lacks that is furthest behind, of the partitions that each shard leads. */
  followerLags(): number[] {
    return this.#members.map((_, shard) => this.isolates.get(shard, ISOLATE.followerLag));
  }

  /** Transfers a connection to the shard with the fewest connections. That shard then owns the descriptor. */
  transfer(connection: AcceptedConnection): void {
    this.#transfers.toLeastLoaded(connection);
  }

  /** Transfers a connection to another broker to the shard that wants it. @returns false when the shards have ended */
  handOut(shard: number, connection: { id: number; fd: number }): boolean {
    if (!this.#isOver) this.#transfers.handOut(shard, connection);
    return !this.#isOver;
  }

  /** A connection that a shard wants cannot be made. @param id under which it has asked */
  refuse(shard: number, id: number): void {
    this.#post(shard, { type: "connectRefused", id });
  }

  /** Whether the stop was clean: no shard failed, and each closed all its logs. */
  get isClean(): boolean {
    return this.#failure === null && this.#isClean;
  }

  /** Open connections of clients. */
  get connectionsCount(): number {
    return this.#transfers.count;
  }

  /**
   * Stops all shards: sockets and logs are closed, cleanly unless a shard failed (see `isClean`). Settles when all have ended.
   * Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    // Before the start, a worker only waits for its first message.
    const hasEnded = !this.#isStarted || await this.#endShards();
    this.#isOver = true;
    this.#transfers.stop();
    this.#flushWorkers[Symbol.dispose]();
    for (const { worker } of this.#members) worker.terminate();
    this.#jobs[Symbol.dispose]();
    this.#memoryReturn.stop();
    this.#rejectAll(new Error("The broker has stopped"));
    // A shard that hangs could otherwise signal a descriptor whose number belongs to another file by then.
    if (hasEnded) releaseSharedState(this.#state);
  }

  /** @returns whether all shards reported that everything is closed, and the flush workers have ended */
  async #endShards(): Promise<boolean> {
    try {
      // Twice, because the answers to the jobs make shards return what they borrowed for them.
      await this.#postToAll(DRAINED, { type: "drain" });
      await this.#jobs.ended();
      await this.#postToAll(DRAINED, { type: "drain" });
      await this.#postToAll(STOPPED, { type: "stop" });
      await this.#flushWorkers.stop();
    } catch (error) {
      if (error !== this.#failure) throw error;
      await this.#awaitAborts();
    }
    return this.#haveEnded;
  }

  get #haveEnded(): boolean {
    return this.#members.every(({ hasEnded }) => hasEnded) && !this.#flushWorkers.areRunning;
  }

  #postToAll(sequence: number, content: ToShard): Promise<readonly PartitionFailure[]> {
    return this.#awaitAll(sequence, () => {
      for (const shard of this.#members.keys()) this.#post(shard, content);
    });
  }

  async #awaitAborts(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ABORT_MS_MAX);
    this.#onEnded = () => {
      if (this.#haveEnded) this.#jobs.closeLeft().then(resolve);
    };
    this.#onEnded();
    this.#flushWorkers.stop().then(this.#onEnded);
    await promise;
    clearTimeout(timer);
  }

  #markEnded(shard: number): void {
    (this.#members[shard] as Member).hasEnded = true;
    this.#onEnded?.();
  }

  #awaitAll(sequence: number, send: () => void): Promise<readonly PartitionFailure[]> {
    return this.#await(sequence, this.#members.length, send);
  }

  #await(sequence: number, missing: number, send: () => void): Promise<readonly PartitionFailure[]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isOver) return Promise.reject(new Error("The broker has stopped"));
    return this.#awaited.wait(sequence, missing, send);
  }

  #post(shard: number, content: ToShard, transferred: ArrayBuffer[] = []): void {
    if (this.#isOver) return;
    const member = this.#members[shard] as Member;
    member.worker.postMessage(content, transferred);
    member.posted = (member.posted + 1) | 0;
    this.isolates.set(shard, ISOLATE.posted, member.posted);
    member.outbox.wake();
  }

  #receive(shard: number, content: FromShard): void {
    switch (content.type) {
      case "ready":
        if (!content.isIntact) this.#events.onCacheDoubtful();
        return this.#countReply(READY, content.failures);
      case "progress":
        return this.#progress?.receive(shard, content.soFar);
      case "applied":
        return this.#countReply(content.sequence, content.failures);
      case "drained":
        return this.#countReply(DRAINED);
      case "stopped":
        this.#isClean &&= content.isClean;
        this.#jobs.takeOver(content.lentFds);
        this.#markEnded(shard);
        return this.#countReply(STOPPED);
      case "load":
      case "loadFiles":
      case "transcode":
      case "search":
      case "flush":
      case "unlink":
        return this.#jobs.begin(shard, content);
      case "released":
        return this.#jobs.release(content.bytes);
      case "flushWorkerNeeded":
        return this.#flushWorkers.start(content.directory);
      case "cleaning":
        this.#cleanings.get(content.id)?.resolve(content.answer);
        this.#cleanings.delete(content.id);
        return;
      case "surveyed":
        return this.#surveys.receive(content.id, content.part);
      case "cleaningNotice":
        return this.#events.onCleaningNotice(content.notice);
      case "connect":
        return this.#events.onConnect(shard, content);
      case "cacheDoubtful":
        return this.#events.onCacheDoubtful();
      case "line":
        return this.#events.onLine(content.line);
      case "retention":
        return this.#events.onRetention(content.event);
      case "closed":
        return this.#events.onClosed(content.peers);
      case "call":
        this.#answer(shard, content.id, content.name, content.args);
    }
  }

  #answer(shard: number, id: number, name: ControlCallName, args: unknown): void {
    assert(this.#control !== null, "shards call only after the start");
    this.#garbage.look(performance.now());
    this.#control.call(name, args as ControlCalls[ControlCallName]["args"]).then(
      (result) => this.#post(shard, { type: "reply", id, result }),
      (error: unknown) => {
        const failure = error instanceof Error ? error.message : String(error);
        const text = `Control call ${name} failed: ${failure}`;
        if (!this.#isOver) this.#events.onLine({ category: "requests", level: "error", text });
        this.#post(shard, { type: "reply", id, result: { failure } });
      },
    );
  }

  #countReply(sequence: number, failures: readonly PartitionFailure[] = []): void {
    for (const { text } of failures) this.#events.onLine({ category: "storage", level: "warning", text });
    this.#awaited.count(sequence, failures);
  }

  #fail(error: Error): void {
    if (this.#failure !== null || this.#isOver) return;
    this.#failure = error;
    for (const [shard, { outbox }] of this.#members.entries()) {
      this.isolates.set(shard, ISOLATE.stopping, 1);
      outbox.wake();
    }
    this.#rejectAll(error);
    this.#events.onFailure(error);
  }

  #rejectAll(error: Error): void {
    this.#awaited.rejectAll(error);
    this.#surveys.stop();
    for (const { reject } of this.#cleanings.values()) reject(error);
    this.#cleanings.clear();
  }
}
