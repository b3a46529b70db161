/**
 * Collects the logs that hold aborted or open transactions written by Apache Kafka, for one warning at the start: all consumers get the
 * records of these transactions, even those that ask for committed records only. Runs on shards.
 *
 * Only files that a start reads anyway are considered: indexes of aborted transactions, producer snapshots, and the log behind the newest
 * snapshot.
 */
import type { UncommittedTraces } from "../../storage/mod.ts";

/** Most partitions that the warning names. */
const NAMES_MAX = 10;

/** The logs of one shard. */
export class UncommittedLogs {
  readonly #names: string[] = [];
  #count = 0;

  /** Records a log. @param name of its partition, "topic-0" @param traces of transactions, found when it was opened */
  note(name: string, traces: UncommittedTraces): void {
    const kinds = [
      ...(traces.hasAborted ? ["aborted"] : []),
      ...(traces.openCount > 0 ? [`${traces.openCount} open`] : []),
    ];
    if (kinds.length === 0) return;
    this.#count++;
    if (this.#names.length < NAMES_MAX) this.#names.push(`${name} (${kinds.join(", ")})`);
  }

  /** @returns the warning, or null when no log has such transactions */
  warning(): string | null {
    if (this.#count === 0) return null;
    const more = this.#count - this.#names.length;
    const holders = this.#count === 1 ? "1 partition holds" : `${this.#count} partitions hold`;
    return `Transactions are not supported yet: ${holders} aborted or open ones, and their records are served to every consumer, ` +
      `with isolation.level=read_committed too: ${this.#names.join(", ")}${
        more > 0 ? ` and ${more} more` : ""
      }. Other ` +
      "partitions may hold aborted ones without a .txnindex; they were not searched for them.";
  }
}
