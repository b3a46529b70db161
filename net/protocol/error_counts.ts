/**
 * The error codes of an answer, as its encoder meets them: counted without another look at the answer, which may have thousands of parts.
 * Any isolate.
 */

/** Different codes of one answer that are told apart. */
const CODES_MAX = 16;
/** Stands for the codes beyond them. */
export const OTHER_CODES = -2;

/** Counts by code. NONE, 0, is not counted. */
export class ErrorCounts {
  readonly #codes: number[] = [];
  readonly #counts: number[] = [];

  /** Forgets everything. */
  clear(): void {
    this.#codes.length = this.#counts.length = 0;
  }

  /** Counts a code. */
  add(code: number, count = 1): void {
    const index = this.#codes.indexOf(code);
    if (index >= 0) this.#counts[index] = (this.#counts[index] as number) + count;
    else if (this.#codes.length < CODES_MAX - 1 || code === OTHER_CODES) {
      this.#codes.push(code);
      this.#counts.push(count);
    } else this.add(OTHER_CODES, count);
  }

  /** Whether nothing was counted. */
  get isEmpty(): boolean {
    return this.#codes.length === 0;
  }

  /** Passes on each code with its count. */
  each(receive: (code: number, count: number) => void): void {
    for (const [index, code] of this.#codes.entries()) receive(code, this.#counts[index] as number);
  }
}
