/**
 * Transfers connections to shards through their rings, and counts them. Runs on the main isolate and never blocks.
 */
import { connectionRole } from "../../partitions/shared/messages.ts";
import { ISOLATE, type IsolateTable, type Outbox } from "../../partitions/control.ts";
import type { AcceptedConnection } from "../accept/acceptor.ts";
import { sendConnection } from "./connection_transfer.ts";

/** The transfers. */
export class Transfers {
  readonly #isolates: IsolateTable;
  readonly #outboxes: readonly Outbox[];
  /** Accepted connections ever transferred, by shard. */
  readonly #counts: number[];
  #isFlushing = false;
  #isOver = false;

  /** @param outboxes the way to each shard */
  constructor(isolates: IsolateTable, outboxes: readonly Outbox[]) {
    this.#isolates = isolates;
    this.#outboxes = outboxes;
    this.#counts = outboxes.map(() => 0);
  }

  /** Open connections of clients on a shard. */
  countOf(shard: number): number {
    return ((this.#counts[shard] as number) - this.#isolates.get(shard, ISOLATE.closed)) | 0;
  }

  /** Open connections of clients. */
  get count(): number {
    return this.#counts.reduce((sum, _, shard) => sum + this.countOf(shard), 0);
  }

  /** Transfers a client's connection to the shard with the fewest of them. That shard then owns the descriptor. */
  toLeastLoaded(connection: AcceptedConnection): void {
    let chosen = 0;
    for (const shard of this.#counts.keys()) if (this.countOf(shard) < this.countOf(chosen)) chosen = shard;
    this.#counts[chosen] = ((this.#counts[chosen] as number) + 1) | 0;
    this.#send(chosen, connection);
  }

  /** Transfers a connection to another broker to the shard that has asked for it. @param id under which it has asked */
  handOut(shard: number, { id, fd }: { id: number; fd: number }): void {
    this.#send(shard, { fd, listener: 0, peer: id, role: connectionRole.outgoing });
  }

  /** Nothing is sent any more, because the shards' descriptors are closed. */
  stop(): void {
    this.#isOver = true;
  }

  #send(shard: number, transfer: AcceptedConnection & { role?: number }): void {
    const outbox = this.#outboxes[shard] as Outbox;
    sendConnection(outbox, { ...transfer, transfers: 0 });
    outbox.flush();
    if (outbox.isBacklogged) this.#flushLater();
  }

  /** Retries while a ring is full of connections; the shard takes them in its next turn. */
  #flushLater(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setTimeout(() => {
      this.#isFlushing = false;
      if (this.#isOver) return;
      for (const outbox of this.#outboxes) outbox.flush();
      if (this.#outboxes.some(({ isBacklogged }) => isBacklogged)) this.#flushLater();
    }, 1);
  }
}
