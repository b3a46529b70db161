/**
 * Reads that need a segment index which is not in memory. They wait until another thread has read the index into the page cache; otherwise
 * the shard, with all its partitions, would wait for the disk. Runs on shards.
 *
 * Always: a read waits at most once; then it uses the index, cached or not. Reads that need the same index wait for the same load.
 */

/** The waiting reads of one shard. */
export class ColdLookups {
  readonly #load: (files: readonly string[], done: () => void) => void;
  /** Waiting reads by the first of their files. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #count = 0;

  /** @param load reads whole files into the page cache on another thread; `done` runs on a later turn, also when the disk refuses */
  constructor(load: (files: readonly string[], done: () => void) => void) {
    this.#load = load;
  }

  /** Number of waiting reads. */
  get count(): number {
    return this.#count;
  }

  /** Makes a read wait for files. @param files at least one @param again called once, when they are loaded */
  wait(files: readonly string[], again: () => void): void {
    const [first = ""] = files;
    this.#count++;
    const known = this.#waiting.get(first);
    if (known !== undefined) {
      known.push(again);
      return;
    }
    const waiting = [again];
    this.#waiting.set(first, waiting);
    this.#load(files, () => {
      this.#waiting.delete(first);
      this.#count -= waiting.length;
      for (const again of waiting) again();
    });
  }
}
