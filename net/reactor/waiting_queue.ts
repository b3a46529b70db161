/**
 * Waiters for one resource in order of arrival, with the amount that each needs. Pure; runs on shards.
 */

/** The queue. A `Waiter` is in it once at most. */
export class WaitingQueue<Waiter, Need> {
  readonly #needs = new Map<Waiter, Need>();

  /** How many wait. */
  get count(): number {
    return this.#needs.size;
  }

  /** What the first waiter needs, undefined when nobody waits. */
  get firstNeed(): Need | undefined {
    return this.#needs.values().next().value;
  }

  /** Whether this waiter is in the queue. */
  has(waiter: Waiter): boolean {
    return this.#needs.has(waiter);
  }

  /** Adds a waiter at the end. */
  add(waiter: Waiter, need: Need): void {
    this.#needs.set(waiter, need);
  }

  /** Removes a waiter. */
  delete(waiter: Waiter): void {
    this.#needs.delete(waiter);
  }

  /**
   * Grants what the first waiters need, until one of them needs more than there is. Those behind it do not overtake. A waiter that is
   * added meanwhile is served by the next call.
   * @param hasRoom for a need @param grant to a waiter that was removed from the queue @param mayContinue asked after each grant
   */
  grant(hasRoom: (need: Need) => boolean, grant: (waiter: Waiter) => void, mayContinue: () => boolean): void {
    for (let left = this.#needs.size; left > 0; left--) {
      const [first] = this.#needs;
      if (first === undefined || !hasRoom(first[1])) return;
      this.#needs.delete(first[0]);
      grant(first[0]);
      if (!mayContinue()) return;
    }
  }
}
