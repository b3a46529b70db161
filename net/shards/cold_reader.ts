/**
 * Brings cold parts of segment files into the page cache for shards that would otherwise wait for the disk with everything they
 * own. A few at a time, in the order they were asked for. Runs on the main isolate, which only awaits.
 */
import { loadPages } from "../../storage/control.ts";

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

/** Of an index so many bytes are read at a time. */
const CHUNK_BYTES = 256 * 1024;

/** The reader. */
export class ColdReader {
  readonly #waiting: (() => Promise<void>)[] = [];
  #active = 0;

  /** Loads a range; the descriptor must stay open until then. */
  load({ fd, position, length }: FileRange): Promise<void> {
    return this.#add(() => loadPages({ fd, position, length: length + READAHEAD_BYTES }));
  }

  /** Loads whole files: indexes, of a few megabytes at most. One that cannot be read is left to whoever looks into it then. */
  loadFiles(paths: readonly string[]): Promise<void> {
    return this.#add(async () => {
      for (const path of paths) await readThrough(path);
    });
  }

  #add(job: () => Promise<void>): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push(() => job().finally(done));
      if (this.#active < READS_MAX) this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#active++;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await next();
    this.#active--;
  }
}

/** Reads a file for the page cache's sake. @returns when that is done, or the disk refused */
async function readThrough(path: string): Promise<void> {
  const failed = () => null;
  using file = await Deno.open(path).catch(failed);
  if (file === null) return;
  const chunk = new Uint8Array(CHUNK_BYTES);
  while (await file.read(chunk).catch(failed) !== null);
}
