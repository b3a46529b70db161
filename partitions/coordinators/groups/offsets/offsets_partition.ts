/**
 * A partition of `__consumer_offsets` as its shard coordinates it: loaded slice by slice, then active until it goes away. Runs on the
 * shard that owns the partition.
 *
 *   loading ──all replayed──► active ──removed, or the shard ends──► closed
 *      └──damaged, unreadable──► failed ───────────────────────────────┘
 *
 * A read that the disk refuses does not end the loading: it goes on where it was, after a pause, until the disk has refused too often or
 * the log is offline. Kafka's coordinator fails at the first one, until another broker leads the partition.
 *
 * Source: Kafka's CoordinatorRuntime.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { Clock } from "../../../../storage/mod.ts";
import type { Partition } from "../../../owned/partition.ts";
import type { Purgatory } from "../../../requests/purgatory.ts";
import { GroupPartition } from "../group_partition.ts";
import { HeldReplies } from "../../runtime/held_replies.ts";
import { type LoadMemory, type LoadProblem, OffsetsLoader } from "./offsets_loader.ts";
import { OffsetsLog } from "./offsets_log.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";
import type { GroupRecord } from "../records/group_record.ts";
import type { GroupBatchBuilder } from "../records/record_set.ts";

/** What all partitions of a shard share. */
export interface OffsetsPartitionParts {
  readonly clock: Clock;
  readonly purgatory: Purgatory;
  readonly builder: GroupBatchBuilder;
  readonly memory: LoadMemory;
  readonly ports: Omit<GroupPorts, "log">;
  /** `offsets.commit.timeout.ms` */
  readonly offsetsCommitTimeoutMs: number;
  /** Tells the operator something. */
  readonly report: (text: string) => void;
  /** Has the partition loaded on: a pause in its loading is over. */
  readonly loadOn: (partition: OffsetsPartition) => void;
}

/** A topic that is gone. */
export interface DeletedTopic {
  readonly name: string;
  readonly id: string;
}

/** Between the checks for expired offsets of two partitions that were loaded together. */
const EXPIRY_STAGGER_MS = 20;
/** Between two slices of the removal of expired offsets, or those of deleted topics. */
const REMOVAL_PAUSE_MS = 10;

/** Pause before a slice is read again that the disk refused; doubled with each refusal, up to the largest. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;
/** How often in a row the disk may refuse a slice: with the pauses between, for six minutes. */
const TRIES_MAX = 40;

/** The partition. Its timer ends a pause in its loading, and looks for expired offsets then. */
export class OffsetsPartition implements Timer {
  deadlineMs = 0;
  heapIndex = -1;
  readonly name: string;
  readonly groups: GroupPartition;
  readonly replies: HeldReplies;
  readonly log: OffsetsLog;
  readonly #parts: OffsetsPartitionParts;
  readonly #partition: Partition;
  readonly #replay = (record: GroupRecord) => this.groups.replay(record);
  #state: "loading" | "active" | "failed" | "closed" = "loading";
  #loader: OffsetsLoader | null;
  /** How often in a row the disk refused the slice that comes next. */
  #refusedReads = 0;
  #isPaused = false;
  /** Topics that went, whose offsets are still to be removed, and how far that is. */
  #deleted: DeletedTopic[] = [];
  #deletedRow = -1;
  /** When to look for expired offsets, monotonic ms. */
  #expiryMs = 0;
  /** The look that is under way. */
  #expiring: Iterator<void, void> | null = null;
  /** The groups that begin to live after all was replayed. */
  #starting: Iterator<void, void> | null = null;

  /** @param partition owned by this shard @param name for messages */
  constructor(partition: Partition, name: string, parts: OffsetsPartitionParts) {
    this.name = name;
    this.#partition = partition;
    this.#parts = parts;
    this.log = new OffsetsLog(partition, parts);
    this.groups = new GroupPartition(this.log, parts.ports);
    this.replies = new HeldReplies(partition, {
      purgatory: parts.purgatory,
      nowMs: parts.ports.nowMs,
      waitMsMax: parts.offsetsCommitTimeoutMs,
    });
    this.#loader = new OffsetsLoader(partition.log, parts.memory);
  }

  /** Whether it has slices to load. */
  get isLoading(): boolean {
    return this.#state === "loading";
  }

  /** Whether its loading pauses; the timer ends that. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether this is the coordinator of a partition that was opened again since. */
  isOf(partition: Partition): boolean {
    return partition === this.#partition;
  }

  /** Why it answers nothing at the moment, as Kafka's code; 0 when it does. */
  get refusal(): number {
    if (this.#state === "active" && this.#partition.isOpen) return errorCode.NONE;
    return this.#state === "loading" ? errorCode.COORDINATOR_LOAD_IN_PROGRESS : errorCode.NOT_COORDINATOR;
  }

  /** Loads one slice. */
  load(): void {
    if (this.#starting !== null) return this.#startSome(this.#starting);
    const loader = this.#loader;
    if (loader === null) return;
    const result = loader.loadSlice(this.#replay);
    if (typeof result === "object") return this.#settleProblem(result);
    this.#refusedReads = 0;
    if (!result) return;
    this.#loader = null;
    const { laterCount, damagedCount } = loader;
    if (laterCount + damagedCount > 0) {
      this.#parts.report(
        `${this.name}: ${damagedCount} damaged records and ${laterCount} of later Kafkas were left out`,
      );
    }
    this.#starting = this.groups.start();
    this.#startSome(this.#starting);
  }

  /** Topics changed. */
  onImage(changedNames: ReadonlySet<string>, deleted: readonly DeletedTopic[]): void {
    if (this.#state !== "active" && this.#state !== "loading") return;
    for (const topic of deleted) this.#deleted.push(topic);
    if (this.#state === "loading") return;
    this.groups.onImage(changedNames);
    if (deleted.length === 0) return;
    this.#deletedRow = -1;
    this.#removeDeleted();
  }

  /** Looks for expired offsets and groups at once. */
  expireSoon(): void {
    if (this.#state !== "active") return;
    this.#expiryMs = this.#parts.ports.nowMs();
    this.#setTimer();
  }

  onDue(nowMs: number): void {
    if (this.#isPaused) {
      this.#isPaused = false;
      return this.#parts.loadOn(this);
    }
    if (nowMs >= this.#expiryMs) {
      this.#expiryMs = nowMs + this.#parts.ports.settings.offsetsRetentionCheckIntervalMs;
      this.#expiring ??= this.groups.expire();
    }
    if (this.#expiring !== null && (this.refusal !== errorCode.NONE || this.#expiring.next().done === true)) {
      this.#expiring = null;
    }
    this.#removeDeleted();
  }

  /** Ends: everybody who waits is answered NOT_COORDINATOR. Idempotent. */
  dispose(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#loader = this.#starting = this.#expiring = null;
    this.#isPaused = false;
    this.#parts.ports.timers.remove(this);
    this.groups.dispose(errorCode.NOT_COORDINATOR);
    this.replies.fail(errorCode.NOT_COORDINATOR);
  }

  #startSome(groups: Iterator<void, void>): void {
    if (groups.next().done !== true) return;
    this.#starting = null;
    this.#state = "active";
    const { nowMs, settings } = this.#parts.ports;
    this.#expiryMs = nowMs() + settings.offsetsRetentionCheckIntervalMs +
      EXPIRY_STAGGER_MS * this.#partition.slot % 1000;
    this.#removeDeleted();
  }

  /** Pauses after a read that the disk refused, or ends the loading. */
  #settleProblem({ message, mayPass }: LoadProblem): void {
    this.#refusedReads++;
    if (!mayPass || !this.#partition.isOpen || this.#refusedReads >= TRIES_MAX) return this.#fail(message);
    if (this.#refusedReads === 1) {
      this.#parts.report(`${this.name} cannot be loaded now, which is tried again for some minutes: ${message}`);
    }
    const { timers, nowMs } = this.#parts.ports;
    this.#isPaused = true;
    this.deadlineMs = nowMs() + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (this.#refusedReads - 1));
    timers.add(this);
  }

  #fail(why: string): void {
    this.#state = "failed";
    this.#loader = null;
    this.#parts.report(`${this.name} cannot be loaded, its groups have no coordinator: ${why}`);
    this.groups.dispose(errorCode.NOT_COORDINATOR);
  }

  /** Removes some offsets of deleted topics: there may be very many, and others wait. Sets the timer. */
  #removeDeleted(): void {
    if (this.#deleted.length > 0) {
      const isServing = this.refusal === errorCode.NONE;
      const row = isServing ? this.groups.removeOffsetsOf(this.#deleted, this.#deletedRow) : null;
      if (row === null) this.#deleted = [];
      this.#deletedRow = row ?? -1;
    }
    this.#setTimer();
  }

  #setTimer(): void {
    const { timers, nowMs } = this.#parts.ports;
    timers.remove(this);
    this.deadlineMs = this.#deleted.length === 0 && this.#expiring === null
      ? this.#expiryMs
      : Math.min(this.#expiryMs, nowMs() + REMOVAL_PAUSE_MS);
    timers.add(this);
  }
}
