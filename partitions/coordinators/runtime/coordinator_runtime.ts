/**
 * The part of a shard's coordinator that does not depend on what it coordinates. It takes on the partitions of its internal topic that
 * the shard leads, loads them slice by slice, finds the partition of a key, and gives timers, long requests and expiry their share of
 * each turn. The kind of coordinator supplies the state (state_machine.ts). Runs on shards; synchronous.
 *
 *   partition led ─► load ─► requests: check, append or gather, apply, reply once replicated ─► resign
 *                    record_loader      record_log, held_replies                              coordinated_partition
 *
 * Source: Kafka's CoordinatorRuntime.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Clock, FileSystem } from "../../../storage/mod.ts";
import type { MetadataImage, TopicImage } from "../../metadata/image.ts";
import type { Partition } from "../../owned/partition.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import type { Deadlines } from "../../requests/deadlines.ts";
import type { Purgatory } from "../../requests/purgatory.ts";
import { partitionOfKey } from "../key_partition.ts";
import { BatchBuilder } from "./batch_builder.ts";
import { CoordinatedPartition, type CoordinatedPartitionParts } from "./coordinated_partition.ts";
import type { Timer } from "./lazy_timer.ts";
import { LoadMemory } from "./record_loader.ts";
import { SlicedWork, type Work } from "./sliced_work.ts";
import type { CoordinatorKind, StateMachine } from "./state_machine.ts";

/** What a runtime is built from. */
export interface CoordinatorRuntimeParts {
  readonly shard: number;
  readonly clock: Clock;
  readonly fs: FileSystem;
  readonly image: MetadataImage;
  /** The shard's partitions. */
  readonly partitions: { ownAt(slot: number): Partition | undefined };
  readonly purgatory: Purgatory;
  /** The timers of the coordinator. */
  readonly timers: Deadlines<Timer>;
  /** How long a reply waits for the high watermark. */
  readonly replyWaitMsMax: number;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** Time of a turn for timers. 10,000 sessions that end together take 0.2 s, spread over several turns. */
const TIMERS_MS_PER_TURN = 5;

/** The runtime of one shard. */
export class CoordinatorRuntime<Entry, Machine extends StateMachine<Entry>> {
  readonly #kind: CoordinatorKind<Entry, Machine>;
  readonly #parts: CoordinatorRuntimeParts;
  readonly #partitionParts: CoordinatedPartitionParts<Entry, Machine>;
  /** Coordinated partitions by partition index. */
  readonly #partitions = new Map<number, CoordinatedPartition<Entry, Machine>>();
  /** Partitions with slices to load now. The first is loaded to its end or its next pause, then the one behind it. */
  #loading: CoordinatedPartition<Entry, Machine>[] = [];
  readonly #gathering = new Set<CoordinatedPartition<Entry, Machine>>();
  readonly #work: SlicedWork;

  /** Creates a runtime that knows no partition before the first `onImage()`. */
  constructor(kind: CoordinatorKind<Entry, Machine>, parts: CoordinatorRuntimeParts) {
    this.#kind = kind;
    this.#parts = parts;
    this.#work = new SlicedWork(() => parts.clock.monotonicMs());
    this.#partitionParts = {
      ...parts,
      kind,
      builder: new BatchBuilder(kind.codec),
      memory: new LoadMemory(parts.fs),
      loadOn: (partition) => void this.#loading.push(partition),
      onGathered: (partition) => void this.#gathering.add(partition),
    };
  }

  /** When `runTurn()` has something to do, monotonic ms; 0 while a partition is being loaded or a long request is unfinished. */
  get nextDeadlineMs(): number {
    return this.#loading.length > 0 || !this.#work.isEmpty ? 0 : this.#parts.timers.nextMs;
  }

  /** Whether `writeGathered()` has something to write. */
  get hasGathered(): boolean {
    return this.#gathering.size > 0;
  }

  /** How many partitions are being loaded, without those that pause because the disk refused a read. */
  get loadingCount(): number {
    return this.#loading.length;
  }

  /** Whether any partition is not loaded yet. */
  get isLoading(): boolean {
    for (const partition of this.#partitions.values()) if (partition.isLoading) return true;
    return false;
  }

  /** The partitions that this shard coordinates. */
  get partitions(): Iterable<CoordinatedPartition<Entry, Machine>> {
    return this.#partitions.values();
  }

  /** Finds the partition of a key. @returns the partition, or Kafka's code for why it cannot be asked */
  partitionOf(key: string): CoordinatedPartition<Entry, Machine> | number {
    const count = this.#parts.image.topic(this.#kind.topic)?.partitions.length ?? 0;
    const partition = count === 0 ? undefined : this.#partitions.get(partitionOfKey(key, count));
    if (partition === undefined) return errorCode.NOT_COORDINATOR;
    return partition.refusal === errorCode.NONE ? partition : partition.refusal;
  }

  /** Begins a request that may take several turns. */
  begin(work: Work): void {
    this.#work.begin(work);
  }

  /** The image changed, and the shard's partitions were opened and removed to match. Also called once at the start, with all topics. */
  onImage({ changed, deleted }: TopicChange): void {
    const { topic } = this.#kind;
    if (deleted.some(({ name }) => name === topic)) this.dispose();
    const own = changed.find(({ name }) => name === topic);
    if (own !== undefined) this.#takeOn(own);
    const names = new Set([...changed, ...deleted].map(({ name }) => name));
    for (const partition of this.#partitions.values()) partition.onImage(names, deleted);
  }

  /** Loads one slice, continues requests that take several turns, and runs due timers. @param nowMs monotonic time */
  runTurn(nowMs: number): void {
    const [loading] = this.#loading;
    if (loading !== undefined) {
      loading.load();
      if (!loading.isLoading || loading.isPaused) this.#loading.shift();
      if (this.#loading.length === 0) this.#partitionParts.memory.drop();
    }
    this.#work.run(nowMs);
    const { timers, clock } = this.#parts;
    const untilMs = nowMs + TIMERS_MS_PER_TURN;
    for (let due = timers.takeExpired(nowMs); due !== null; due = timers.takeExpired(nowMs)) {
      due.onDue(nowMs);
      if (clock.monotonicMs() >= untilMs) break;
    }
  }

  /** Writes the records that requests gathered and releases their replies. @param mayContinue whether there is time for another partition */
  writeGathered(mayContinue: () => boolean): void {
    for (const partition of this.#gathering) {
      this.#gathering.delete(partition);
      partition.log.writeGathered();
      if (!mayContinue()) return;
    }
  }

  /** Makes the next search for expired state due now, in all partitions. */
  expireSoon(): void {
    for (const partition of this.#partitions.values()) partition.expireSoon();
  }

  /** Resigns all partitions and finishes all long requests. */
  dispose(): void {
    for (const partition of this.#partitions.values()) partition.resign();
    this.#partitions.clear();
    this.#gathering.clear();
    this.#loading = [];
    this.#work.finish();
  }

  /** Takes on the partitions that this shard leads now, and resigns others. A reopened partition is loaded again. */
  #takeOn(topic: TopicImage): void {
    for (const [number, known] of this.#partitions) {
      if (topic.partitions[number]?.shard === this.#parts.shard) continue;
      known.resign();
      this.#partitions.delete(number);
    }
    for (const { partition: number, shard, slot } of topic.partitions) {
      if (shard !== this.#parts.shard) continue;
      const partition = this.#parts.partitions.ownAt(slot);
      const known = this.#partitions.get(number);
      if (partition === undefined || known?.isOf(partition)) continue;
      known?.resign();
      this.#partitions.delete(number);
      if (!partition.isLeader) continue;
      const taken = new CoordinatedPartition(partition, `${topic.name}-${number}`, this.#partitionParts);
      this.#partitions.set(number, taken);
      this.#loading.push(taken);
    }
  }
}
