/**
 * Reads that have to look into the index of a segment that nobody has read lately: they wait until another thread has brought the index
 * into the page cache, instead of the shard waiting for the disk with everything it owns. Runs on shards.
 *
 * Always: a read waits once, and then looks whatever the cache says; those that look into the same index wait together.
 */

/** The reads of one shard that wait. */
export class ColdLookups {
  readonly #load: (files: readonly string[], done: () => void) => void;
  /** By the first of their files. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #count = 0;

  /** @param load brings whole files into the page cache on another thread; `done` runs on a later turn, also when the disk refuses */
  constructor(load: (files: readonly string[], done: () => void) => void) {
    this.#load = load;
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  /** Lets a read wait for files, at least one. @param again called once, when they are there */
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
