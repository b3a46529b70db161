/**
 * A replica's log in the cluster simulation: a list of entries, their leader epochs, and the producers' last sequence numbers. Each entry
 * knows the one before it where it was first appended, so that one comparison shows that two logs have the same prefix. Test code.
 */
import { type Offset, toOffset } from "../../storage/base/units.ts";
import { LeaderEpochTable } from "../../storage/log/epochs/leader_epoch_table.ts";
import type { EpochEnd, ReplicaLog } from "../../partitions/replication/epoch_divergence.ts";

/** One record; each is appended by one leader, and copied by reference. */
export interface Entry {
  readonly offset: number;
  readonly epoch: number;
  readonly value: number;
  /** Idempotent producer, -1 for none. */
  readonly producer: number;
  readonly sequence: number;
  readonly previous: Entry | null;
  /** Brokers that had it and stopped uncleanly since. */
  crashes: number;
}

/** One log, on the disk of one broker. */
export class SimulatedLog implements ReplicaLog {
  /** By offset; those below the log start were deleted. */
  readonly entries: Entry[] = [];
  /** Last entry of each idempotent producer. */
  readonly producers = new Map<number, Entry>();
  logStartOffset = toOffset(0);
  /** Grows whenever entries are cut off: an answer that was to be read from the log is broken then. */
  truncations = 0;
  /** Entries below it survive a loss of power. */
  durableEnd = 0;
  #epochs = new LeaderEpochTable();
  /** Entries below it are not in the producers' state. */
  #producersFrom = 0;
  /** Whether the producers' state outlives the records that made it (a planted mistake). */
  keepsProducers = false;

  get logEndOffset(): Offset {
    return toOffset(this.entries.length);
  }

  get earliestEpoch(): number {
    return this.#epochs.epochFor(this.logStartOffset);
  }

  get latestEpoch(): number {
    return this.#epochs.latest;
  }

  /** Whether all that the log ever had was deleted: then nothing tells what preceded its end. */
  get isEmpty(): boolean {
    return this.logStartOffset >= this.entries.length;
  }

  get last(): Entry | null {
    return this.entries.at(-1) ?? null;
  }

  /** Whether it has a record, or has deleted what was at its offset. */
  has(entry: Entry): boolean {
    return entry.offset < this.logStartOffset || this.entries[entry.offset] === entry;
  }

  endOffsetFor(epoch: number): EpochEnd {
    return this.#epochs.endOffsetFor(epoch, this.logEndOffset);
  }

  /** A leader epoch begins at the log end. */
  noteEpoch(epoch: number): void {
    this.#epochs.assign(epoch, this.logEndOffset);
  }

  append(entry: Entry): void {
    this.entries.push(entry);
    if (entry.epoch !== this.#epochs.latest) this.#epochs.assign(entry.epoch, toOffset(entry.offset));
    if (entry.producer >= 0) this.producers.set(entry.producer, entry);
  }

  truncate(to: number): void {
    if (to < this.entries.length) {
      this.entries.length = to;
      this.truncations++;
      this.logStartOffset = toOffset(Math.min(to, this.logStartOffset));
      if (!this.keepsProducers) this.#rebuildProducers();
    }
    this.#epochs.truncateFromEnd(toOffset(to));
    this.durableEnd = Math.min(this.durableEnd, to);
  }

  /** Begins anew at an offset that the leader has. @param skipped the leader's entries below it, which are deleted in this log */
  restartAt(at: number, skipped: readonly Entry[]): void {
    this.entries.length = 0;
    for (const entry of skipped) this.entries.push(entry);
    this.truncations++;
    this.#epochs = new LeaderEpochTable();
    this.logStartOffset = toOffset(at);
    this.#rebuildProducers();
    this.durableEnd = at;
  }

  deleteBelow(offset: number): void {
    if (offset <= this.logStartOffset || offset > this.entries.length) return;
    this.logStartOffset = toOffset(offset);
    this.#epochs.truncateFromStart(toOffset(offset));
  }

  /** The process died: what is not durable may be gone, and epochs without records are. @param kept entries that are left */
  recover(kept: number): void {
    this.truncate(kept);
    this.#epochs = new LeaderEpochTable();
    for (let offset = this.logStartOffset as number; offset < this.entries.length; offset++) {
      const { epoch } = this.entries[offset] as Entry;
      if (epoch !== this.#epochs.latest) this.#epochs.assign(epoch, toOffset(offset));
    }
    this.#rebuildProducers();
    this.durableEnd = this.entries.length;
  }

  /** Whether the producers' state is what the entries say. */
  hasTrueProducers(): boolean {
    const seen = new Set<number>();
    for (let index = this.entries.length - 1; index >= this.#producersFrom; index--) {
      const entry = this.entries[index] as Entry;
      if (entry.producer < 0 || seen.has(entry.producer)) continue;
      seen.add(entry.producer);
      if (this.producers.get(entry.producer) !== entry) return false;
    }
    return seen.size === this.producers.size;
  }

  #rebuildProducers(): void {
    this.producers.clear();
    // An empty log begins anew: there is no snapshot of its producers.
    this.#producersFrom = this.isEmpty ? this.entries.length : Math.min(this.#producersFrom, this.entries.length);
    for (let index = this.#producersFrom; index < this.entries.length; index++) {
      const entry = this.entries[index] as Entry;
      if (entry.producer >= 0) this.producers.set(entry.producer, entry);
    }
  }
}
