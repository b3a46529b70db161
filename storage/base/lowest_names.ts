/**
 * The first names in their order, out of as many as there are, without sorting them all: what a page of topics needs. Pure; any isolate.
 */

/** The first so many names. */
export class LowestNames {
  readonly #countMax: number;
  #names: string[] = [];
  /** The lowest name that was left out; null: none was. */
  #cut: string | null = null;

  /** @param countMax names that are kept, 1 or more */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** Adds a name; each is added once. */
  add(name: string): void {
    if (this.#cut !== null && name > this.#cut) return;
    this.#names.push(name);
    if (this.#names.length >= 2 * this.#countMax + 1) this.#trim();
  }

  /** The first names, sorted, and the one behind them, null where there is none. */
  take(): { readonly names: readonly string[]; readonly next: string | null } {
    this.#trim();
    return { names: this.#names, next: this.#cut };
  }

  #trim(): void {
    this.#names.sort();
    const first = this.#names[this.#countMax];
    if (first === undefined) return;
    // What was left out before is behind all that has been added since.
    this.#cut = first;
    this.#names = this.#names.slice(0, this.#countMax);
  }
}
