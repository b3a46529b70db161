/**
 * An array of a message whose elements are made one by one while the message is encoded, so that they are never on the heap together. An
 * encoder asks once for each of them, in their order. Runs in any isolate.
 */

/** The list. */
export class MadeList<E> {
  readonly length: number;
  readonly #make: (index: number) => E;

  /** @param length number of elements @param make makes the element at an index, each time it is asked for */
  constructor(length: number, make: (index: number) => E) {
    this.length = length;
    this.#make = make;
  }

  /** A list with an element for each of these items. */
  static from<Item, E>(items: readonly Item[], make: (item: Item) => E): MadeList<E> {
    return new MadeList(items.length, (index) => make(items[index] as Item));
  }

  /** Makes an element. */
  at(index: number): E {
    return this.#make(index);
  }

  /** A list whose elements are made from those of this list. */
  map<F>(change: (element: E) => F): MadeList<F> {
    return new MadeList(this.length, (index) => change(this.#make(index)));
  }

  *[Symbol.iterator](): Generator<E, void> {
    for (let index = 0; index < this.length; index++) yield this.#make(index);
  }

  /** The list as the array of a message. Only an encoder may read it. */
  get asArray(): readonly E[] {
    return this as unknown as readonly E[];
  }
}
