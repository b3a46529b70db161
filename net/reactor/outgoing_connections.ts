/**
 * The connections of a shard to other brokers: asked for at the main isolate, which connects and logs in, and received from there. Runs on
 * shards of a broker that is one of several.
 *
 *   connect() ──posted──► main isolate: TCP, login ──ring: the descriptor, with its role──► receive() ──► onConnected()
 *                                                  ──posted: a refusal─────────────────────► refused() ──► onLost()
 *
 * Must always hold: who has asked is told once, unless it has ended the attempt; a descriptor that nobody waits for any more is closed.
 */
import { closeDescriptor } from "../../storage/mod.ts";
import { OutgoingConnection, type OutgoingParts } from "./outgoing_connection.ts";

/** A connection that is ready. */
export interface OutgoingLink {
  /** Sends a request. @param frame with its size, valid during the call @returns false when there is no memory for it */
  send(frame: Uint8Array): boolean;
  /** Closes it; nobody is told. @param reason a sentence for the operator, null for an ordinary end */
  close(reason: string | null): void;
}

/** Who has asked for a connection, and uses it. */
export interface LinkUser {
  onConnected(link: OutgoingLink): void;
  onAnswer(start: number, length: number): void;
  onLost(): void;
}

/** An address of another broker. */
export interface OutgoingEndpoint {
  readonly host: string;
  readonly port: number;
}

/** What the table uses of its shard. */
export interface OutgoingConnectionsParts extends Omit<OutgoingParts, "onClosed"> {
  /** Asks the main isolate for a connection. */
  readonly ask: (id: number, endpoint: OutgoingEndpoint) => void;
}

/** The connections. */
export class OutgoingConnections {
  readonly #parts: OutgoingConnectionsParts;
  readonly #waiting = new Map<number, LinkUser>();
  readonly #open = new Set<OutgoingConnection>();
  #lastId = 0;
  #isClosed = false;

  /** @param parts of the shard */
  constructor(parts: OutgoingConnectionsParts) {
    this.#parts = parts;
  }

  /** Number of open connections. */
  get count(): number {
    return this.#open.size;
  }

  /** Begins to connect. @returns ends the attempt; null when the shard is ending */
  connect(endpoint: OutgoingEndpoint, user: LinkUser): (() => void) | null {
    if (this.#isClosed) return null;
    const id = this.#lastId = (this.#lastId + 1) & 0x7fff_ffff;
    this.#waiting.set(id, user);
    this.#parts.ask(id, endpoint);
    return () => void this.#waiting.delete(id);
  }

  /** A connected socket, logged in. @param id of the attempt @param fd owned by this table from now on */
  receive(id: number, fd: number): void {
    const user = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (user === undefined) return closeDescriptor(fd);
    const onClosed = () => connection !== null && this.#open.delete(connection);
    const connection: OutgoingConnection | null = OutgoingConnection.open(fd, user, { ...this.#parts, onClosed });
    if (connection === null) return user.onLost();
    this.#open.add(connection);
    user.onConnected({ send: (frame) => connection.send(frame), close: (reason) => connection.end(reason) });
  }

  /** There is no connection. @param id of the attempt */
  refused(id: number): void {
    const user = this.#waiting.get(id);
    this.#waiting.delete(id);
    user?.onLost();
  }

  /** Closes all of them, and connects no more. Nobody is told. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
    for (const connection of [...this.#open]) connection.end(null);
  }
}
