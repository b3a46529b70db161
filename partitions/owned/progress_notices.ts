/**
 * Tells whoever waits for a partition that its high watermark moved or that it went away: requests of this shard by its purgatory,
 * those of other shards by a ring record, if they are interested. At the end of a turn, once for each partition, however often it moved.
 * Runs on the owning shard.
 *
 * Always: the partition's row is published before its notice is noted, and interest is read after that (shared/watermarks.ts).
 */
import type { Purgatory } from "../requests/purgatory.ts";
import type { Outbox } from "../shared/mail.ts";
import type { InterestTable } from "../shared/watermarks.ts";

/** The notices of one shard. */
export class ProgressNotices {
  readonly #shard: number;
  readonly #interest: InterestTable;
  readonly #purgatory: Purgatory;
  readonly #outboxes: readonly Outbox[];
  readonly #slots: number[] = [];
  readonly #isNoted = new Set<number>();

  /** @param to this shard's number and purgatory, the interest table, and the way to each shard */
  constructor(
    to: { shard: number; interest: InterestTable; purgatory: Purgatory; outboxes: readonly Outbox[] },
  ) {
    this.#shard = to.shard;
    this.#interest = to.interest;
    this.#purgatory = to.purgatory;
    this.#outboxes = to.outboxes;
  }

  /** Whether `send()` has something to send. */
  get areWaiting(): boolean {
    return this.#slots.length > 0;
  }

  /** Notes a partition. @param slot its row, already published */
  note(slot: number): void {
    if (this.#isNoted.has(slot)) return;
    this.#isNoted.add(slot);
    this.#slots.push(slot);
  }

  /** Sends what was noted. */
  send(): void {
    if (this.#slots.length === 0) return;
    for (const slot of this.#slots) {
      this.#purgatory.markProgress(slot);
      for (const [peer, outbox] of this.#outboxes.entries()) {
        if (peer === this.#shard || !this.#interest.has(peer, slot)) continue;
        outbox.sendWatermark(slot);
      }
    }
    this.#slots.length = 0;
    this.#isNoted.clear();
  }
}
