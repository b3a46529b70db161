/**
 * What a walk through a log knows of its transactions: which batches were aborted, and which markers no batch needs any more. Pure; runs
 * on the cleaner worker. A walk passes all batches from its start on, in order.
 *
 *   data batch      of an aborted transaction: its records are removed
 *   abort marker    without data in the walked log: removable. Otherwise it stays, with its entry in the index of aborted transactions
 *   commit marker   without data in the walked log: removable
 *   empty marker    a marker that an earlier cleaning emptied: removable
 *   other controls  stay
 *
 * Must always hold: no open transaction has batches in the walked part. Data counts even if this cleaning removes it, so a marker
 * outlives the data by one cleaning: a reader that began before the data was removed may still need it.
 * Source: Kafka's CleanedTransactionMetadata.
 */
import type { Offset } from "../base/units.ts";
import { readEndMarker } from "../records/control_records.ts";
import * as batches from "../records/record_batch.ts";
import type { AbortedTransaction } from "../segments/transaction_index.ts";

interface OngoingAbort {
  readonly transaction: AbortedTransaction;
  hasData: boolean;
}

/** The transactions of one walk. */
export class CleanedTransactions {
  /** Those whose first offset the walk has not reached, the next one last. */
  readonly #ahead: AbortedTransaction[];
  readonly #aborted = new Map<number, OngoingAbort>();
  /** Producers with data of a transaction that was not aborted. */
  readonly #committed = new Set<number>();
  #retained: AbortedTransaction[] = [];

  /** @param aborted all transactions whose abort marker lies in the log, in any order @param from where the walk begins */
  constructor(aborted: readonly AbortedTransaction[], from: Offset) {
    this.#ahead = aborted.filter(({ lastOffset }) => lastOffset >= from)
      .sort((one, other) => other.firstOffset - one.firstOffset);
  }

  /** Passes a data batch. @returns whether its transaction was aborted */
  passData(view: DataView, at: number): boolean {
    if (!batches.isTransactional(view, at)) return false;
    this.#reach(batches.lastOffset(view, at));
    const producerId = batches.producerId(view, at);
    const ongoing = this.#aborted.get(producerId);
    if (ongoing !== undefined && ongoing.transaction.lastOffset >= batches.baseOffset(view, at)) {
      ongoing.hasData = true;
      return true;
    }
    this.#committed.add(producerId);
    return false;
  }

  /** Passes a control batch. @returns whether nothing in the log needs it any more */
  passControl(view: DataView, at: number): boolean {
    this.#reach(batches.lastOffset(view, at));
    if (batches.recordsCount(view, at) === 0) return true;
    const marker = readEndMarker(view, at);
    if (marker === null) return false;
    const producerId = batches.producerId(view, at);
    if (marker.committed) return !this.#committed.delete(producerId);
    const ongoing = this.#aborted.get(producerId);
    this.#aborted.delete(producerId);
    if (ongoing === undefined || !ongoing.hasData) return true;
    this.#retained.push(ongoing.transaction);
    return false;
  }

  /** Takes the transactions whose abort markers stay, since the last call: the index of the new segment has them. */
  takeRetained(): AbortedTransaction[] {
    const retained = this.#retained;
    this.#retained = [];
    return retained;
  }

  /** Begins the aborted transactions that begin at or below an offset. */
  #reach(offset: Offset): void {
    for (let next = this.#ahead.at(-1); next !== undefined && next.firstOffset <= offset; next = this.#ahead.at(-1)) {
      this.#ahead.pop();
      const ongoing = this.#aborted.get(next.producerId);
      // The marker of an earlier one may be missing from a damaged log: it does not abort what follows.
      const isOver = ongoing !== undefined && ongoing.transaction.lastOffset < next.firstOffset;
      if (ongoing === undefined || isOver) this.#aborted.set(next.producerId, { transaction: next, hasData: false });
    }
  }
}
