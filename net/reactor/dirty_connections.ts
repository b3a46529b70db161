/**
 * The connections that have something to send at the end of a turn, have to be closed then, or have to be checked again. They are
 * served in order while there is time. Those that are left come first in the next turn. Runs on shards.
 */
import type { Connection } from "./connection.ts";
import type { IdleConnections } from "./idle_connections.ts";
import type { ShardConnections } from "./shard_connections.ts";
import type { RequestTimes } from "../requests/times/request_times.ts";
import type { TurnBudget } from "./turn_budget.ts";

/** What the list uses of its shard. */
export interface DirtyConnectionsParts {
  readonly connections: ShardConnections;
  readonly idle: IdleConnections;
  readonly budget: TurnBudget;
  readonly times: RequestTimes;
}

/** The list. */
export class DirtyConnections {
  readonly #parts: DirtyConnectionsParts;
  #list: Connection[] = [];

  /** @param parts of the shard */
  constructor(parts: DirtyConnectionsParts) {
    this.#parts = parts;
  }

  /** Whether the list is empty. */
  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** Adds a connection, unless it is in the list. */
  add(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#list.push(connection);
  }

  /** Sends what is ready. @param mayContinue asked after each connection */
  flush(mayContinue: () => boolean): void {
    const list = this.#list;
    this.#list = [];
    for (const [index, connection] of list.entries()) {
      this.#flush(connection);
      const isLast = index + 1 === list.length;
      if (isLast || mayContinue()) continue;
      // Connections that wait come before those that got something to send meanwhile.
      this.#list = [...list.slice(index + 1), ...this.#list];
      return;
    }
  }

  #flush(connection: Connection): void {
    const { connections, idle, budget, times } = this.#parts;
    connection.isDirty = false;
    idle.markActive(connection);
    if (connection.closeReason !== null) {
      // Sends the answers to requests before the one that closes the connection, as far as the socket accepts them.
      if (connections.has(connection)) {
        connection.sender.flush();
        times.flushed(connection.sender);
      }
      return connections.close(connection);
    }
    const result = connection.sender.flush(connection.wasWritable);
    connection.wasWritable = false;
    times.flushed(connection.sender);
    if (result === "broken") return connection.close("a segment file could not be read");
    if (result === "more") this.add(connection);
    connections.setWriting(connection, result === "blocked");
    budget.beginStretch();
    connection.resumeReading();
    if (connection.canTransfer) connections.transfer(connection);
  }
}
