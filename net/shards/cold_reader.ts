/**
 * Loads cold parts of segment files into the page cache. Otherwise a shard would wait for the disk, and with it all its partitions
 * and connections. It reads a few ranges at a time, in the order of the requests. Runs on the main isolate, which only awaits.
 */
import { loadPages } from "../../storage/control.ts";

/** Reads under way at a time: enough to keep a disk busy, and few enough to leave the thread pool to others. */
const READS_MAX = 8;
/** Bytes loaded beyond the requested range, because a consumer that catches up reads them next. */
const READAHEAD_BYTES = 2 * 1024 * 1024;

/** A range of an open file. */
export interface FileRange {
  readonly fd: number;
  readonly position: number;
  readonly length: number;
}

/** An index is read in pieces of this many bytes. */
const CHUNK_BYTES = 256 * 1024;
/** Bytes of a file that are its end. */
const TAIL_BYTES = 64 * 1024;

/** The reader. */
export class ColdReader {
  readonly #waiting: (() => Promise<void>)[] = [];
  #active = 0;

  /** Loads a range. The descriptor must stay open until the promise settles. */
  load({ fd, position, length }: FileRange): Promise<void> {
    return this.#add(() => loadPages({ fd, position, length: length + READAHEAD_BYTES }));
  }

  /**
   * Loads whole index files of a few megabytes at most. A file that cannot be read is skipped; its later reader sees the error.
   * @param tails files of which only the end is loaded
   */
  loadFiles(paths: readonly string[], tails: readonly string[] = []): Promise<void> {
    return this.#add(async () => {
      for (const path of paths) await readThrough(path);
      for (const path of tails) await readThrough(path, TAIL_BYTES);
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

/** Reads the last bytes of a file to bring them into the page cache. @returns settles when they are read, or when the disk refused */
async function readThrough(path: string, bytesMax = Infinity): Promise<void> {
  const failed = () => null;
  using file = await Deno.open(path).catch(failed);
  if (file === null) return;
  const bytes = bytesMax === Infinity ? 0 : (await file.stat().catch(failed))?.size ?? 0;
  if (bytes > bytesMax) await file.seek(bytes - bytesMax, Deno.SeekMode.Start);
  const chunk = new Uint8Array(CHUNK_BYTES);
  while (await file.read(chunk).catch(failed) !== null);
}
