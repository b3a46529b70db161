/**
 * Notifies the requests that wait for a partition when its high watermark moved or it was removed: on this shard through the purgatory, on
 * interested other shards by a ring record. Notices are sent at the end of a turn, one for each partition, however often it moved.
 * Runs on the owning shard.
 *
 * Always: the partition's row is published first, then the notice is noted, then the interest is read (shared/watermarks.ts).
 */
import type { Purgatory } from "../requests/purgatory.ts";
import type { Outbox } from "../shared/mail.ts";
import type { InterestTable } from "../shared/watermarks.ts";

/** The pending notices of one shard. */
export class ProgressNotices {
  readonly #shard: number;
  readonly #interest: InterestTable;
  readonly #purgatory: Purgatory;
  readonly #outboxes: readonly Outbox[];
  readonly #slots: number[] = [];
  /** Whether a slot is among them, by slot. */
  readonly #isNoted: boolean[] = [];

  /** @param to this shard's number and purgatory, the interest table, and the outbox to each shard */
  constructor(
    to: { shard: number; interest: InterestTable; purgatory: Purgatory; outboxes: readonly Outbox[] },
  ) {
    this.#shard = to.shard;
    this.#interest = to.interest;
    this.#purgatory = to.purgatory;
    this.#outboxes = to.outboxes;
  }

  /** Whether notices are pending. */
  get areWaiting(): boolean {
    return this.#slots.length > 0;
  }

  /** Notes that a partition progressed. @param slot its row, already published */
  note(slot: number): void {
    if (this.#isNoted[slot]) return;
    this.#isNoted[slot] = true;
    this.#slots.push(slot);
  }

  /** Sends the pending notices. */
  send(): void {
    for (const slot of this.#slots) {
      this.#isNoted[slot] = false;
      this.#purgatory.markProgress(slot);
      for (let peer = 0; peer < this.#outboxes.length; peer++) {
        if (peer === this.#shard || !this.#interest.has(peer, slot)) continue;
        this.#outboxes[peer]?.sendWatermark(slot);
      }
    }
    this.#slots.length = 0;
  }
}
