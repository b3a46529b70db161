/**
 * Who waits for one thing, in the order of coming, and what each of them needs of it. Pure; runs on shards.
 */

/** The queue. `Waiter` waits once at a time. */
export class WaitingQueue<Waiter, Need> {
  readonly #needs = new Map<Waiter, Need>();

  /** How many wait. */
  get count(): number {
    return this.#needs.size;
  }

  /** What the first one needs, undefined when nobody waits. */
  get firstNeed(): Need | undefined {
    return this.#needs.values().next().value;
  }

  /** Whether this one waits. */
  has(waiter: Waiter): boolean {
    return this.#needs.has(waiter);
  }

  /** It waits from now on, behind the others. */
  add(waiter: Waiter, need: Need): void {
    this.#needs.set(waiter, need);
  }

  /** It waits no more. */
  delete(waiter: Waiter): void {
    this.#needs.delete(waiter);
  }

  /**
   * Grants what the first ones need, until one of them needs more than there is: those behind it do not get ahead. Who begins to wait
   * meanwhile has its turn at the next call.
   * @param hasRoom for a need @param grant to one that does not wait any more @param mayGoOn asked after each
   */
  grant(hasRoom: (need: Need) => boolean, grant: (waiter: Waiter) => void, mayGoOn: () => boolean): void {
    for (let left = this.#needs.size; left > 0; left--) {
      const [first] = this.#needs;
      if (first === undefined || !hasRoom(first[1])) return;
      this.#needs.delete(first[0]);
      grant(first[0]);
      if (!mayGoOn()) return;
    }
  }
}
