/**
 * A binary heap of members with the least or the most loaded one on top, for the uniform assignor. Pure; any isolate.
 *
 * What must always hold: while the heap is in use, only the load of the member on top changes.
 */

/** The heap. Members are numbers. Of equally loaded members the smaller number comes first. */
export class LoadHeap {
  readonly #members: number[];
  readonly #loads: Int32Array;
  /** 1: least loaded on top; -1: most loaded. */
  readonly #sign: 1 | -1;

  /** @param loads partitions of each member; every comparison reads them again */
  constructor(members: readonly number[], loads: Int32Array, top: "least" | "most") {
    this.#members = [...members];
    this.#loads = loads;
    this.#sign = top === "least" ? 1 : -1;
    for (let index = (this.#members.length >> 1) - 1; index >= 0; index--) this.#sink(index);
  }

  /** The member on top, -1 if the heap is empty. */
  get top(): number {
    return this.#members[0] ?? -1;
  }

  /** Restores the order after the load of the member on top changed. */
  siftTop(): void {
    this.#sink(0);
  }

  /** Removes the member on top. */
  removeTop(): void {
    const last = this.#members.pop();
    if (last === undefined || this.#members.length === 0) return;
    this.#members[0] = last;
    this.#sink(0);
  }

  #sink(from: number): void {
    const members = this.#members;
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= members.length) return;
      const right = left + 1;
      const child = right < members.length && this.#before(right, left) ? right : left;
      if (!this.#before(child, index)) return;
      const member = members[index]!;
      members[index] = members[child]!;
      members[child] = member;
      index = child;
    }
  }

  #before(one: number, other: number): boolean {
    const member = this.#members[one]!;
    const otherMember = this.#members[other]!;
    const difference = this.#sign * (this.#loads[member]! - this.#loads[otherMember]!);
    return difference < 0 || (difference === 0 && member < otherMember);
  }
}
