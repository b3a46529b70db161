/**
 * A partition of a coordinator's topic that this shard coordinates: it is loaded slice by slice, then active until it resigns.
 * Runs on the shard that leads the partition.
 *
 *   loading ──all replayed──► active ──not led any more, removed, handed over, or the shard ends──► resigned
 *      └──damaged, unreadable──► failed ─────────────────────────────────────────────────────────────┘
 *
 * Always: it serves only the leadership of the partition in which it was made. A later one loads the log again: what was in it may be cut
 * off.
 *
 * A read that the disk refuses does not end the loading: the same slice is read again after a pause. Loading fails once the disk has
 * refused too often or the log is offline. Kafka's coordinator fails at the first refused read, until another broker leads the partition.
 *
 * Source: Kafka's CoordinatorRuntime.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Clock } from "../../../storage/mod.ts";
import type { Partition } from "../../owned/partition.ts";
import type { Deadlines } from "../../requests/deadlines.ts";
import type { Purgatory } from "../../requests/purgatory.ts";
import { BackgroundWork } from "./background_work.ts";
import type { BatchBuilder } from "./batch_builder.ts";
import { HeldReplies } from "./held_replies.ts";
import { LazyTimer, type Timer } from "./lazy_timer.ts";
import { type LoadMemory, type LoadProblem, RecordLoader } from "./record_loader.ts";
import { RecordLog } from "./record_log.ts";
import type { Work } from "./sliced_work.ts";
import type { CoordinatorKind, DeletedTopic, StateMachine } from "./state_machine.ts";

/** What all partitions of a shard share. */
export interface CoordinatedPartitionParts<Entry, Machine extends StateMachine<Entry>> {
  readonly kind: CoordinatorKind<Entry, Machine>;
  readonly clock: Clock;
  readonly timers: Deadlines<Timer>;
  readonly purgatory: Purgatory;
  readonly builder: BatchBuilder<Entry>;
  readonly memory: LoadMemory;
  /** How long a reply waits for the high watermark. */
  readonly replyWaitMsMax: number;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  /** A pause in the partition's loading is over: it has to be loaded further. */
  readonly loadOn: (partition: CoordinatedPartition<Entry, Machine>) => void;
  /** A request of this turn gathered records in the partition. */
  readonly onGathered: (partition: CoordinatedPartition<Entry, Machine>) => void;
}

/** Partitions that were loaded together start their searches for expired state this far apart. */
const EXPIRY_STAGGER_MS = 20;

/** Pause before a refused slice is read again. It doubles with each refusal, up to the largest. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;
/** How often in a row the disk may refuse a slice. With the pauses between, this takes six minutes. */
const TRIES_MAX = 40;

/** A partition with its state machine, log, held replies and background work. */
export class CoordinatedPartition<Entry, Machine extends StateMachine<Entry>> {
  readonly name: string;
  readonly machine: Machine;
  readonly replies: HeldReplies;
  readonly log: RecordLog<Entry>;
  readonly background: BackgroundWork;
  readonly #parts: CoordinatedPartitionParts<Entry, Machine>;
  readonly #partition: Partition;
  readonly #leadership: number;
  readonly #replay = (record: Entry) => this.machine.replay(record);
  #state: "loading" | "active" | "failed" | "resigned" = "loading";
  #loader: RecordLoader<Entry> | null;
  /** How often in a row the disk has refused the next slice. */
  #refusedReads = 0;
  /** Ends a pause in the loading. */
  readonly #retry: LazyTimer;
  /** Topics that were deleted while the partition was being loaded. */
  #deleted: DeletedTopic[] = [];
  /** The start of the state machine, after all records were replayed. */
  #starting: Work | null = null;

  /** @param partition owned and led by this shard @param name for messages */
  constructor(partition: Partition, name: string, parts: CoordinatedPartitionParts<Entry, Machine>) {
    const { kind, clock, timers, purgatory, builder } = parts;
    const nowMs = () => clock.monotonicMs();
    this.name = name;
    this.#partition = partition;
    this.#leadership = partition.leadership;
    this.#parts = parts;
    this.log = new RecordLog(partition, {
      builder,
      clock,
      apply: this.#replay,
      onGathered: () => parts.onGathered(this),
    });
    this.background = new BackgroundWork({
      timers,
      nowMs,
      isServing: () => this.refusal === errorCode.NONE,
      expiryIntervalMs: kind.expiryIntervalMs,
      expire: () => this.machine.expire(),
    });
    this.machine = kind.make(this.log, this.background);
    this.replies = new HeldReplies(partition, { purgatory, nowMs, waitMsMax: parts.replyWaitMsMax });
    this.#loader = new RecordLoader(partition.log, parts.memory, kind.codec);
    this.#retry = new LazyTimer(timers, () => parts.loadOn(this));
  }

  /** Whether the partition still has slices to load. */
  get isLoading(): boolean {
    return this.#state === "loading";
  }

  /** Whether the loading pauses; a timer ends the pause. */
  get isPaused(): boolean {
    return this.#retry.isSet;
  }

  /** Whether this coordinates exactly this opening of the partition and this leadership, not an earlier or later one. */
  isOf(partition: Partition): boolean {
    return partition === this.#partition && partition.leadership === this.#leadership;
  }

  /** Kafka's code for why the partition answers no requests now; 0 while it answers them. */
  get refusal(): number {
    if (this.#partition.leadership !== this.#leadership) return errorCode.NOT_COORDINATOR;
    if (this.#state === "active" && this.#partition.isOpen) return errorCode.NONE;
    return this.#state === "loading" ? errorCode.COORDINATOR_LOAD_IN_PROGRESS : errorCode.NOT_COORDINATOR;
  }

  /** Loads one slice. Once the leadership is over, the log may be cut off: `resign()` follows. */
  load(): void {
    if (this.#partition.leadership !== this.#leadership) return;
    if (this.#starting !== null) return this.#start(this.#starting);
    const loader = this.#loader;
    if (loader === null) return;
    const result = loader.loadSlice(this.#replay);
    if (typeof result === "object") return this.#onProblem(result);
    this.#refusedReads = 0;
    if (!result) return;
    this.#loader = null;
    const { laterCount, damagedCount } = loader;
    if (laterCount + damagedCount > 0) {
      this.#parts.report(
        `${this.name}: ${damagedCount} damaged records and ${laterCount} of later Kafkas were left out`,
      );
    }
    this.#starting = this.machine.start();
    this.#start(this.#starting);
  }

  /** Topics changed. */
  onImage(changedNames: ReadonlySet<string>, deleted: readonly DeletedTopic[]): void {
    if (this.#state === "loading") this.#deleted = this.#deleted.concat(deleted);
    if (this.#state !== "active") return;
    this.machine.onTopicsChanged(changedNames);
    this.#forget(deleted);
  }

  /** Makes the next search for expired state due now. */
  expireSoon(): void {
    if (this.#state === "active") this.background.expireSoon();
  }

  /** Resigns: all waiting requests are answered NOT_COORDINATOR. Idempotent. */
  resign(): void {
    if (this.#state === "resigned") return;
    this.#state = "resigned";
    this.#loader = null;
    this.#starting = null;
    this.#retry.cancel();
    this.background.stop();
    this.log.writeGathered();
    this.machine.dispose(errorCode.NOT_COORDINATOR);
    this.replies.fail(errorCode.NOT_COORDINATOR);
  }

  #start(starting: Work): void {
    if (starting.next().done !== true) return;
    this.#starting = null;
    this.#state = "active";
    this.background.start(EXPIRY_STAGGER_MS * this.#partition.slot % 1000);
    this.#forget(this.#deleted);
    this.#deleted = [];
  }

  /** Removes the offsets of deleted topics. While the log is offline they stay, and their retention removes them later. */
  #forget(deleted: readonly DeletedTopic[]): void {
    if (deleted.length > 0 && this.refusal === errorCode.NONE) this.machine.onTopicsDeleted(deleted);
  }

  /** Pauses the loading after a read that the disk refused, or ends it. */
  #onProblem({ message, mayPass }: LoadProblem): void {
    this.#refusedReads++;
    if (!mayPass || !this.#partition.isOpen || this.#refusedReads >= TRIES_MAX) return this.#fail(message);
    if (this.#refusedReads === 1) {
      this.#parts.report(`${this.name} cannot be loaded now, which is tried again for some minutes: ${message}`);
    }
    const pauseMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (this.#refusedReads - 1));
    this.#retry.set(this.#parts.clock.monotonicMs() + pauseMs);
  }

  #fail(why: string): void {
    this.#state = "failed";
    this.#loader = null;
    const { report, kind } = this.#parts;
    report(`${this.name} cannot be loaded, its ${kind.coordinates} have no coordinator: ${why}`);
    this.machine.dispose(errorCode.NOT_COORDINATOR);
  }
}
