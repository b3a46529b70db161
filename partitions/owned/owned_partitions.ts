/**
 * The partitions that the image assigns to this shard: opens, updates and removes them as the image changes, hands them over to other
 * shards, looks after them once in a while, and closes them. Runs on the owning shard.
 *
 * Always: a log is open here from the moment in which its row says so until the row says otherwise; of a slot without a partition it
 * is known why.
 */
import { type Clock, type FlushOutcome, type FlushRequest, type Offset, storageFailure } from "../../storage/mod.ts";
import type { PartitionImage, TopicImage } from "../metadata/image.ts";
import type { Refusal } from "../requests/refusals.ts";
import { emptyWatermarks, partitionState, type WatermarkTable } from "../shared/watermarks.ts";
import { type Flush, FlushGate } from "./flush_gate.ts";
import { type LogStore, NO_DESCRIPTORS } from "./log_store.ts";
import { Partition, type PartitionOwner } from "./partition.ts";
import { PartitionUpkeep } from "./partition_upkeep.ts";
import { SegmentRemoval } from "./segment_removal.ts";
import { type TopicChange, TopicChanges } from "./topic_changes.ts";

/** What they are built from. */
export interface OwnedPartitionsParts {
  readonly shard: number;
  readonly clock: Clock;
  readonly store: LogStore;
  readonly table: WatermarkTable;
  /** `log.flush.scheduler.interval.ms`: how often `flush.ms` is looked at. */
  readonly flushCheckMs: number;
  /** Tells the operator something. */
  readonly report: (text: string) => void;
  readonly flush: Flush;
  /** Removes files, and directories with all that is in them, on another thread. */
  readonly unlink: (paths: readonly string[]) => void;
  /** The high watermark of a partition moved, or it went away. */
  readonly onProgress: (slot: number) => void;
}

/** The partitions of one shard. */
export class OwnedPartitions implements PartitionOwner {
  readonly #parts: OwnedPartitionsParts;
  readonly #bySlot = new Map<number, Partition>();
  /** `topic-partition` by slot, for messages. */
  readonly #names = new Map<number, string>();
  /** Slots of partitions whose logs could not be opened. */
  readonly #unopened = new Set<number>();
  readonly #removal: SegmentRemoval;
  readonly #upkeep: PartitionUpkeep;
  readonly #changes: TopicChanges;
  readonly #flushes: FlushGate;
  readonly #wallMs: () => number;
  readonly #row = emptyWatermarks();

  /** @param parts the shard's pieces */
  constructor(parts: OwnedPartitionsParts) {
    this.#parts = parts;
    const nowMs = parts.clock.monotonicMs();
    this.#wallMs = () => parts.clock.wallMs();
    this.#removal = new SegmentRemoval(this.#bySlot, parts.unlink);
    this.#upkeep = new PartitionUpkeep(this.#bySlot, { nowMs, flushCheckMs: parts.flushCheckMs });
    this.#changes = new TopicChanges(parts.shard, {
      apply: (...step) => this.#apply(...step),
      remove: (...step) => this.#remove(...step),
    });
    this.#flushes = new FlushGate(parts.flush, (slot) => this.#bySlot.get(slot)?.flushLater());
  }

  /** All of them. */
  get all(): Iterable<Partition> {
    return this.#bySlot.values();
  }

  /** One by its row; undefined when it is not open here: `refusalOf()` says why. */
  at(slot: number): Partition | undefined {
    return this.#bySlot.get(slot);
  }

  /** Why there is no partition here: unless its row is closed, another shard has it, or is about to. */
  refusalOf(slot: number): Refusal {
    if (this.#unopened.has(slot)) return "log-offline";
    const { state } = this.#parts.table.read(slot, this.#row);
    const isClosed = state === partitionState.closed || state === partitionState.closedCleanly;
    return isClosed ? "unknown-partition" : "not-leader-or-follower";
  }

  /**
   * Opens, updates or keeps the partitions of changed topics that belong here, and removes those of deleted topics, a few a turn.
   * @param done gets sentences about logs that could not be opened, which stay offline, and directories that could not be renamed,
   * which the next start removes; on a later turn
   */
  change(topics: TopicChange, done: (failures: readonly string[]) => void): void {
    this.#changes.add(topics, done);
  }

  /** Does at once what changes have left. */
  finishChanges(): void {
    this.#changes.finish();
  }

  /** Hands a partition over, if that can be now: its row says so, and the shard that the image names next opens it. */
  handOver(slot: number): void {
    if (!this.#changes.isEmpty || this.#bySlot.get(slot)?.handOver() !== true) return;
    this.#bySlot.delete(slot);
    this.#names.delete(slot);
  }

  /** Ends the start: logs opened from now on are new ones (log_store.ts). @returns what the operator must know of the others, or null */
  endStart(): string | null {
    this.#parts.store.forgetCheckpoints();
    return this.#parts.store.uncommittedWarning();
  }

  /** From now on no flush begins: `close()` makes everything durable, and must be alone with the files (storage/log/log_durability.ts). */
  stopFlushing(): void {
    this.#flushes.stop();
  }

  /** Closes all logs, after what a clean stop leaves to do. @param options clean: trimmed and with snapshots @returns whether all were closed as asked */
  close(options: { clean: boolean }): boolean {
    if (options.clean) this.finishChanges();
    let asked = true;
    for (const partition of this.#bySlot.values()) asked = partition.close(options) && asked;
    this.#bySlot.clear();
    return asked;
  }

  /** When `maintain()` has something to do, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.#changes.isEmpty ? Math.min(this.#removal.nextDeadlineMs, this.#upkeep.nextDeadlineMs) : 0;
  }

  /** Does what is due once in a while; called every turn. @param nowMs monotonic time */
  maintain(nowMs: number): void {
    this.#changes.run();
    this.#removal.run(nowMs);
    this.#upkeep.run(nowMs, this.#wallMs);
  }

  onProgress(slot: number): void {
    this.#parts.onProgress(slot);
  }

  onTrouble(slot: number, text: string): void {
    this.#parts.report(`${this.#names.get(slot) ?? `slot ${slot}`}: ${text}`);
  }

  onLogStartMoved(slot: number): void {
    this.#removal.note(slot);
  }

  mayFlush(slot: number): boolean {
    return this.#flushes.mayBegin(slot);
  }

  onFlush(request: FlushRequest, done: (outcome: FlushOutcome) => void): void {
    this.#flushes.begin(request, done);
  }

  #apply(topic: TopicImage, place: PartitionImage, failures: string[]): void {
    const partition = this.#bySlot.get(place.slot);
    if (partition === undefined) this.#open(topic, place, failures);
    else partition.update({ leaderEpoch: place.leaderEpoch, config: topic.logConfig });
  }

  #remove(topic: TopicImage, { slot, partition: number }: PartitionImage, failures: string[]): void {
    if (this.#unopened.delete(slot)) {
      this.#parts.store.forget(topic, number);
      this.#parts.table.write(slot, emptyWatermarks());
    }
    const partition = this.#bySlot.get(slot);
    if (partition === undefined) return;
    this.#bySlot.delete(slot);
    this.#names.delete(slot);
    try {
      this.#removal.removeDirectory(partition.remove(), partition.config.fileDeleteDelayMs);
    } catch (error) {
      failures.push(`Cannot remove ${topic.name}-${number}: ${storageFailure(error)}`);
    }
  }

  #open(topic: TopicImage, place: PartitionImage, failures: string[]): void {
    const { table, store } = this.#parts;
    const row = table.read(place.slot, emptyWatermarks());
    const handedOver = row.state === partitionState.handedOver ? row : null;
    const log = store.open(topic, place.partition, handedOver);
    if (typeof log === "string") {
      this.#unopened.add(place.slot);
      this.#keepCheckpoints(place.slot, store.checkpointed(topic, place.partition));
      this.onProgress(place.slot); // who waited for the shard that had it is answered
      if (log !== NO_DESCRIPTORS) failures.push(log);
      return;
    }
    this.#unopened.delete(place.slot);
    const config = topic.logConfig;
    const logEndBytes = handedOver?.logEndBytes ?? 0;
    const partition = new Partition(log, { ...place, config, table, owner: this, logEndBytes });
    this.#bySlot.set(place.slot, partition);
    if (log.segmentsBelowStart > 0) this.#removal.note(place.slot);
    this.#names.set(place.slot, `${topic.name}-${place.partition}`);
    // What could not be made durable where it came from is committed here, and waiting requests are not told by any append.
    if (handedOver !== null && handedOver.highWatermark < partition.highWatermark) this.onProgress(place.slot);
  }

  /** Of a log that could not be opened: when it can be, deleted records must not come back, nor lost ones pass for never flushed. */
  #keepCheckpoints(slot: number, kept: { recoveryPoint: Offset; logStartOffset: Offset }): void {
    const { logStartOffset } = kept;
    const [highWatermark, lastStableOffset, logEndOffset] = [logStartOffset, logStartOffset, logStartOffset];
    const watermarks = { ...emptyWatermarks(), ...kept, highWatermark, lastStableOffset, logEndOffset };
    this.#parts.table.write(slot, { ...watermarks, state: partitionState.offline });
  }
}
