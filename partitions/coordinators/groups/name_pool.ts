/**
 * Numbers for names: a table of millions of rows then stores four bytes instead of a string. A number becomes free with the last row
 * that uses it. Pure; any isolate.
 */
import { assert } from "../../../storage/base/assert.ts";

/** A pool of numbered names with reference counts. */
export class NamePool {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #counts: number[] = [];
  readonly #free: number[] = [];

  /** How many names there are. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The names in use. */
  names(): Iterable<string> {
    return this.#numbers.keys();
  }

  /** Finds the number of a name, -1 for a name that is not in use. */
  find(name: string): number {
    return this.#numbers.get(name) ?? -1;
  }

  /** Adds a reference to a name. @returns its number, from 0 on */
  hold(name: string): number {
    const known = this.#numbers.get(name);
    const number = known ?? this.#free.pop() ?? this.#names.length;
    if (known === undefined) {
      this.#numbers.set(name, number);
      this.#names[number] = name;
      this.#counts[number] = 0;
    }
    this.#counts[number] = (this.#counts[number] as number) + 1;
    return number;
  }

  /** Returns the name of a number that is in use. */
  name(number: number): string {
    return this.#names[number] as string;
  }

  /** Removes one reference. @returns whether it was the last one */
  release(number: number): boolean {
    const count = (this.#counts[number] as number) - 1;
    assert(count >= 0, "a released name is held");
    this.#counts[number] = count;
    if (count > 0) return false;
    this.#numbers.delete(this.#names[number] as string);
    this.#names[number] = "";
    this.#free.push(number);
    return true;
  }
}
