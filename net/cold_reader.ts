/**
 * Brings cold parts of segment files into the page cache for shards that would otherwise wait for the disk with everything they
 * own. A few at a time, in the order they were asked for. Runs on the main isolate, which only awaits.
 */
import { loadPages } from "../storage/control.ts";

/** Reads under way at a time: enough to keep a disk busy, few enough to leave the thread pool to others. */
const READS_MAX = 8;
/** Bytes loaded behind what was asked for: a consumer that catches up wants them next, and then finds them. */
const READAHEAD_BYTES = 2 * 1024 * 1024;

/** A range of an open file. */
export interface FileRange {
  readonly fd: number;
  readonly position: number;
  readonly length: number;
}

/** The reader. */
export class ColdReader {
  readonly #waiting: { range: FileRange; done: () => void }[] = [];
  #active = 0;

  /** Loads a range; the descriptor must stay open until then. */
  load(range: FileRange): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push({ range, done });
      if (this.#active < READS_MAX) this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#active++;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const { fd, position, length } = next.range;
      await loadPages({ fd, position, length: length + READAHEAD_BYTES });
      next.done();
    }
    this.#active--;
  }
}
