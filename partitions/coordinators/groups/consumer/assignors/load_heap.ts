/**
 * Members by load: a binary heap with the least or the most loaded one on top, for the uniform assignor. Only the load of the
 * member on top may change while the heap is used. Pure; any isolate.
 */

/** The heap. Members are numbers; of equally loaded ones the smaller number comes first. */
export class LoadHeap {
  readonly #members: number[];
  readonly #loads: Int32Array;
  /** 1: least loaded on top; -1: most loaded. */
  readonly #sign: 1 | -1;

  /** @param loads by member, read again on every comparison */
  constructor(members: readonly number[], loads: Int32Array, top: "least" | "most") {
    this.#members = [...members];
    this.#loads = loads;
    this.#sign = top === "least" ? 1 : -1;
    for (let index = (this.#members.length >> 1) - 1; index >= 0; index--) this.#sink(index);
  }

  /** Member on top, -1 when there is none. */
  get top(): number {
    return this.#members[0] ?? -1;
  }

  /** The load of the member on top has changed: puts it where it belongs. */
  settleTop(): void {
    this.#sink(0);
  }

  /** Takes the member on top out. */
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
