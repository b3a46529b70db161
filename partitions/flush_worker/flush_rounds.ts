/**
 * What a flush worker does: everything that has arrived from all shards is flushed in one round, and what arrives meanwhile in the next.
 * The files of a round are flushed side by side, because the journal of the file system commits changes of several files together. A
 * file whose flush failed is not flushed again: its log goes offline. Runs on flush workers.
 */
import type { Outbox } from "../shared/mail.ts";
import type { RingRecord } from "../shared/ring.ts";
import { type FlushOperation, FlushReceiver, sendFlushed } from "./flush_records.ts";

/** Makes files durable. @param files descriptors of each partition @returns for each, whether all its files are on the disk */
export type FlushFiles = (files: readonly (readonly number[])[]) => Promise<readonly boolean[]> | readonly boolean[];

/** The rounds. */
export class FlushRounds {
  readonly #outboxes: readonly Outbox[];
  readonly #flush: FlushFiles;
  readonly #receiver = new FlushReceiver();
  #arrived: FlushOperation[] = [];

  /** @param outboxes to each shard @param flush makes the files of a round durable */
  constructor(outboxes: readonly Outbox[], flush: FlushFiles) {
    this.#outboxes = outboxes;
    this.#flush = flush;
  }

  /** Whether no complete operation has arrived. */
  get isEmpty(): boolean {
    return this.#arrived.length === 0;
  }

  /** Receives a record of a shard. */
  receive(shard: number, record: RingRecord): void {
    const operation = this.#receiver.receive(shard, record);
    if (operation !== null) this.#arrived.push(operation);
  }

  /** Flushes what has arrived, and answers. */
  async run(): Promise<void> {
    const operations = this.#arrived;
    this.#arrived = [];
    const areFlushed = await this.#flush(operations.flatMap(({ files }) => files));
    let first = 0;
    for (const { shard, operation, files } of operations) {
      const outbox = this.#outboxes[shard] as Outbox;
      sendFlushed(outbox, operation, areFlushed.slice(first, first += files.length));
      outbox.flush();
    }
  }
}
