/**
 * Compacts logs: asks the shards for the filthiest ones, lets cleaner workers write new segments, and the shards put them in place. It
 * looks for work every `log.cleaner.backoff.ms`, and again at once after logs were compacted. Runs on the main isolate.
 *
 *   this            shard that owns the log             worker
 *   choose ───────► its filthiest log
 *   begin ────────► the log's segments stay ──order──────────────► reads them, writes new ones
 *   swap ─────────► puts the new ones in place ◄──replacements──── done
 *   cleaner-offset-checkpoint
 *
 * The shard aborts a cleaning when the partition is removed or handed over, or its topic is not compacted any more; this aborts all at
 * the stop. What an abort or a crash leaves, the worker or the next start removes (storage/log/leftover_files.ts). The checkpoint is
 * written last: after a crash, the same records are compacted again, with the same result.
 *
 * Always: a log is cleaned by one worker at a time, and a worker's order names only closed segments. Damaged batches take the partition
 * offline, which its shard reports; Kafka leaves it uncleaned. A partition whose cleaning failed for another reason, such as a limit of
 * the cleaner or a bug, is left alone until the next start.
 * Source: Kafka's LogCleaner and LogCleanerManager.
 */
import type { CleanerLimits, CleaningOrder, RunningCleaning } from "../../storage/control.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { systemTimers, type Timers } from "../directory/checkpoint_writer.ts";
import { isHere, type MetadataImage } from "../metadata/image.ts";
import type { CleanerOffsets } from "./cleaner_offsets.ts";
import type { CleaningAnswer, CleaningRequest } from "./cleaning_calls.ts";

/** The settings of compaction. */
export type CleanerSettings = Pick<
  BrokerConfig,
  | "logCleanerEnable"
  | "logCleanerThreads"
  | "logCleanerBackoffMs"
  | "logCleanerDedupeBufferSize"
  | "logCleanerIoBufferLoadFactor"
  | "logCleanerIoMaxBytesPerSecond"
>;

/** What the cleaner reads and acts on. */
export interface LogCleanerParts {
  readonly image: MetadataImage;
  readonly offsets: CleanerOffsets;
  /** Read at the begin of each round: these settings are dynamic. */
  readonly config: CleanerSettings;
  /** Asks a shard. @returns settles with its answer; rejects when the broker stops or fails */
  readonly ask: (shard: number, request: CleaningRequest) => Promise<CleaningAnswer>;
  /** Lets a worker clean a log. @param limits those of the round */
  readonly clean: (order: CleaningOrder, limits: CleanerLimits) => RunningCleaning;
  /** Reports trouble to the operator, as a sentence. */
  readonly report: (text: string) => void;
  /** Says what was done. */
  readonly inform: (text: string) => void;
  readonly timers?: Timers;
}

/** A partition of a compacted topic. */
interface Compacted {
  readonly topicId: string;
  readonly name: string;
  readonly partition: number;
  readonly slot: number;
  readonly shard: number;
}

/** Bytes of an offset map beyond which one thread cannot use more (Kafka: 2 GiB). */
const BUFFER_BYTES_MAX = 2 ** 31 - 1;

/** The cleaner; it looks for work from its construction until `stop()`. */
export class LogCleaner {
  readonly #parts: LogCleanerParts;
  /** Ends the timer. */
  #end: () => void = () => {};
  #backoffMs = Infinity;
  /** Cleanings under way, by slot, and whether the shard still wants their results. */
  readonly #running = new Map<number, { readonly cleaning: RunningCleaning; isWanted: boolean }>();
  /** Partitions whose cleaning failed, by topic id and partition. */
  readonly #failed = new Set<string>();
  /** Partitions whose last cleaning the disk refused. */
  readonly #refused = new Set<string>();
  #round: Promise<void> | null = null;
  /** Whether nothing is compacted any more. */
  #isOver = false;

  constructor(parts: LogCleanerParts) {
    this.#parts = parts;
    this.configure();
  }

  /** The settings have changed. What is under way ends with those that it began with. */
  configure(): void {
    const { config, timers = systemTimers } = this.#parts;
    const backoffMs = this.#isOff ? Infinity : Math.max(1, config.logCleanerBackoffMs);
    if (backoffMs === this.#backoffMs) return;
    this.#end();
    this.#backoffMs = backoffMs;
    this.#end = this.#isOff ? () => {} : timers.every(backoffMs, () => this.look());
  }

  get #isOff(): boolean {
    const { logCleanerEnable, logCleanerThreads } = this.#parts.config;
    return this.#isOver || !logCleanerEnable || logCleanerThreads === 0;
  }

  /** Partitions that are left alone because their cleaning failed. */
  get failedCount(): number {
    return this.#failed.size;
  }

  /** Compacts what is due, unless that is under way. @returns settles when nothing is due any more */
  look(): Promise<void> {
    if (this.#isOff) return Promise.resolve();
    return this.#round ??= this.#cleanAll().finally(() => this.#round = null);
  }

  /** A shard does not want the result of a cleaning any more. */
  onAborted(slot: number): void {
    const running = this.#running.get(slot);
    if (running === undefined) return;
    running.isWanted = false;
    running.cleaning.abort();
  }

  /** Aborts what is under way, and looks for nothing any more. Settles when it has ended; new segments that are ready are put in place. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#end();
    for (const { cleaning } of this.#running.values()) cleaning.abort();
    await this.#round;
  }

  async #cleanAll(): Promise<void> {
    try {
      // Partitions that were tried in vain in this round: otherwise the filthiest one would keep the others from being cleaned.
      const skipped = new Set<string>();
      while (!this.#isOff) {
        const settings = { ...this.#parts.config };
        const chosen = await this.#choose(skipped, settings.logCleanerThreads);
        if (chosen.length === 0) return;
        await Promise.all(chosen.map(async (partition) => {
          if (!await this.#clean(partition, settings)) skipped.add(keyOf(partition));
        }));
      }
    } catch (error) {
      // The shards have ended, and with them the broker, which reports why.
      if (!this.#isOver) this.#parts.report(`Compaction ends: ${messageOf(error)}`);
      this.#isOver = true;
      this.#end();
    }
  }

  /** The filthiest logs: of each shard at most one, and no more than there may be workers. */
  async #choose(skipped: ReadonlySet<string>, threads: number): Promise<Compacted[]> {
    const byShard = Map.groupBy(this.#candidates(skipped), ({ shard }) => shard);
    const asked = byShard.entries().map(async ([shard, partitions]) => {
      const slots = Int32Array.from(partitions, ({ slot }) => slot);
      const checkpointed = Float64Array.from(partitions, (partition) => this.#checkpointed(partition));
      const answer = await this.#parts.ask(shard, { kind: "choose", slots, checkpointed });
      if (answer.kind !== "chosen") return [];
      const partition = partitions.find(({ slot }) => slot === answer.slot);
      return partition === undefined ? [] : [{ partition, dirtyRatio: answer.dirtyRatio }];
    });
    const chosen = (await Promise.all(asked)).flat().sort((a, b) => b.dirtyRatio - a.dirtyRatio);
    return chosen.slice(0, threads).map(({ partition }) => partition);
  }

  #candidates(skipped: ReadonlySet<string>): Compacted[] {
    const found: Compacted[] = [];
    for (const { id: topicId, name, partitions, logConfig } of this.#parts.image.topics()) {
      if (!logConfig.compact) continue;
      for (const { partition, slot, shard } of partitions.filter(isHere)) {
        const key = keyOf({ topicId, partition });
        if (!this.#failed.has(key) && !skipped.has(key)) found.push({ topicId, name, partition, slot, shard });
      }
    }
    return found;
  }

  #checkpointed({ topicId, partition }: Compacted): number {
    return this.#parts.offsets.get(topicId, partition) ?? -1;
  }

  /** Cleans one log. @returns whether it was cleaned */
  async #clean(partition: Compacted, settings: CleanerSettings): Promise<boolean> {
    const { slot, shard } = partition;
    const { ask, clean } = this.#parts;
    const workersMax = settings.logCleanerThreads;
    const bytesPerSecond = settings.logCleanerIoMaxBytesPerSecond / workersMax;
    const begun = await ask(shard, {
      kind: "begin",
      slot,
      checkpointed: this.#checkpointed(partition),
      dedupeBufferBytes: Math.min(
        BUFFER_BYTES_MAX,
        Math.floor(settings.logCleanerDedupeBufferSize / workersMax),
      ),
      dedupeLoadFactor: settings.logCleanerIoBufferLoadFactor,
    });
    if (begun.kind !== "begun") return false;
    const running = { cleaning: clean(begun.order, { workersMax, bytesPerSecond }), isWanted: true };
    this.#running.set(slot, running);
    if (this.#isOver) running.cleaning.abort();
    const outcome = await running.cleaning.outcome;
    const damage = outcome.kind === "damaged" ? outcome.message : null;
    if (outcome.kind !== "cleaned") await ask(shard, { kind: "end", slot, damage });
    this.#running.delete(slot);
    if (outcome.kind === "cleaned") return this.#swap(partition, outcome.result);
    // The files of a deleted topic are gone, or are those of a new one under its name: the worker may have found that before its abort.
    // If so, the shard has said it before its answer.
    if (!running.isWanted) return false;
    if (outcome.kind === "refused") this.#reportRefusal(partition, outcome.message);
    if (outcome.kind === "failed") this.#leaveAlone(partition, outcome.message);
    return false;
  }

  async #swap(
    partition: Compacted,
    { replacements, nextDirtyOffset, statistics }: Extract<
      Awaited<RunningCleaning["outcome"]>,
      { kind: "cleaned" }
    >["result"],
  ): Promise<boolean> {
    const { offsets, ask } = this.#parts;
    const { topicId, slot, shard } = partition;
    const swapped = await ask(shard, { kind: "swap", slot, replacements });
    if (swapped.kind === "failed") this.#leaveAlone(partition, swapped.message);
    if (swapped.kind !== "swapped") return false;
    this.#refused.delete(keyOf(partition));
    const before = offsets.get(topicId, partition.partition);
    offsets.set(topicId, partition.partition, nextDirtyOffset);
    await offsets.write();
    const [read, written] = [statistics.bytesRead, statistics.bytesWritten].map((bytes) => (bytes / 1e6).toFixed(1));
    this.#parts.inform(
      `Compacted ${partition.name}-${partition.partition} below offset ${nextDirtyOffset}: ${read} MB read, ${written} MB ` +
        `written, ${statistics.recordsKept} of ${statistics.recordsRead} records kept`,
    );
    // Otherwise a log that stays as dirty as it was would be cleaned for ever.
    return nextDirtyOffset > (before ?? -1);
  }

  #leaveAlone(partition: Compacted, message: string): void {
    this.#failed.add(keyOf(partition));
    this.#report(partition, `${message}. It is not compacted until the next start`);
  }

  /** Reports that the disk refused, once until the log is compacted: a full disk refuses every round. */
  #reportRefusal(partition: Compacted, message: string): void {
    const key = keyOf(partition);
    if (!this.#refused.has(key)) this.#report(partition, `${message}. It is tried again`);
    this.#refused.add(key);
  }

  #report({ name, partition }: Compacted, message: string): void {
    this.#parts.report(`Cannot compact ${name}-${partition}: ${message}`);
  }
}

function keyOf({ topicId, partition }: Pick<Compacted, "topicId" | "partition">): string {
  return `${topicId} ${partition}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
