/**
 * Tells the operator every second how far a start is that takes longer than one. Main isolate.
 */
import type { OpenedSoFar, Timers } from "../../partitions/control.ts";

/** Time before the first line and between two. */
const LINE_MS = 1000;

/** The progress of one start. Disposal ends its lines. */
export class StartProgress implements Disposable {
  readonly #byShard = new Map<number, OpenedSoFar>();
  readonly #end: () => void;

  /** @param logsCount logs of all shards @param by timers, and what gets a sentence for the operator */
  constructor(logsCount: number, by: { timers: Timers; report: (sentence: string) => void }) {
    this.#end = by.timers.every(LINE_MS, () => {
      let [opened, checkedBytes] = [0, 0];
      for (const soFar of this.#byShard.values()) {
        opened += soFar.logs;
        checkedBytes += soFar.checkedBytes;
      }
      if (opened === 0) return by.report("Starting the shards");
      const checkedMb = Math.round(checkedBytes / 1e6);
      const checked = checkedMb === 0 ? "" : `, ${checkedMb} MB checked`;
      by.report(`Opening logs: ${opened} of ${logsCount} partitions so far${checked}`);
    });
  }

  /** Takes what a shard has done. */
  receive(shard: number, soFar: OpenedSoFar): void {
    this.#byShard.set(shard, soFar);
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}
