/** Callbacks that wait for messages of the main isolate, by the number that a request and its answer have. Runs on shards. */

/** The callbacks of one kind of request. */
export class AwaitedAnswers<Answer> {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextId = 1;

  /** @param done called with the answer, once @returns the number of the request */
  add(done: (answer: Answer) => void): number {
    const id = this.#nextId++;
    this.#waiting.set(id, done);
    return id;
  }

  /** An answer has arrived. @param id of the request */
  receive(id: number, answer: Answer): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(answer);
  }
}
