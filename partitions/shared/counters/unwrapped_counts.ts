/**
 * Counts of single words, which wrap at 2^32, as numbers that go on: a sum of counts that falls would be taken for one that began anew. They
 * have to be read more often than they wrap. Main isolate.
 */

/** Counts that go on. */
export class UnwrappedCounts {
  /** Those that are not 0, by their number: as read last, and with what they had before they wrapped. */
  readonly #seen = new Map<number, { read: number; total: number }>();

  /** The count that goes on. @param count tells it from others @param read what its word has now, 0 to 2^32 - 1 */
  total(count: number, read: number): number {
    const seen = this.#seen.get(count);
    if (read === (seen?.read ?? 0)) return seen?.total ?? 0;
    const total = (seen?.total ?? 0) + ((read - (seen?.read ?? 0)) >>> 0);
    this.#seen.set(count, { read, total });
    return total;
  }
}
