/**
 * A connection that this broker has made to another one, on its shard: sends requests, and receives whole answers into the shard's arena.
 * What is asked and answered is its owner's affair. Runs on shards.
 *
 * Must always hold: the other side may send anything: an answer larger than agreed ends the connection, and until an answer is whole it takes
 * memory by what has arrived (framing.ts). The owner is told once that the connection is lost, unless it has closed it itself; not during
 * a call of its own.
 */
import { closeDescriptor, prepareConnection, READABLE, receive, WRITABLE } from "../../storage/mod.ts";
import { Framing, type FramingOwner, type FramingTools } from "./framing.ts";
import type { DescriptorUser, Reactor, Registration } from "./reactor.ts";
import { Sender, type SenderTools } from "./sender.ts";

/** Receive calls in one turn, so that others get theirs. */
const RECEIVES_PER_TURN_MAX = 8;

/** Who uses the connection. */
export interface OutgoingOwner {
  /** An answer lies in the arena, during the call. @param start of its correlation id @param length in bytes, without the size */
  onAnswer(start: number, length: number): void;
  /** The connection is lost. */
  onLost(): void;
}

/** What it uses of its shard. */
export interface OutgoingParts {
  readonly reactor: Reactor;
  readonly tools: SenderTools & FramingTools;
  /** Longest answer, in bytes. */
  readonly answerBytesMax: number;
  /** `replica.socket.receive.buffer.bytes`; -1: the kernel's choice. */
  readonly receiveBufferBytes: number;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  /** Called once it is closed. */
  readonly onClosed: () => void;
}

/** The connection. */
export class OutgoingConnection implements FramingOwner, DescriptorUser {
  closeReason: string | null = null;
  readonly #fd: number;
  readonly #parts: OutgoingParts;
  readonly #owner: OutgoingOwner;
  readonly #framing: Framing;
  readonly #sender: Sender;
  #registration: Registration | null = null;
  #isReceiving = false;
  #isGone = false;
  #isClosed = false;

  private constructor(fd: number, owner: OutgoingOwner, parts: OutgoingParts) {
    this.#fd = fd;
    this.#owner = owner;
    this.#parts = parts;
    this.#framing = new Framing(this, parts.tools);
    this.#sender = new Sender(fd, parts.tools, () => this.#flush());
  }

  /** Serves a connected socket. @param fd non-blocking, owned by the connection from now on @returns null when epoll refuses to watch it */
  static open(fd: number, owner: OutgoingOwner, parts: OutgoingParts): OutgoingConnection | null {
    const connection = new OutgoingConnection(fd, owner, parts);
    connection.#registration = parts.reactor.tryRegister(fd, READABLE, connection);
    if (connection.#registration === null) {
      closeDescriptor(fd);
      return null;
    }
    prepareConnection(fd, { send: -1, receive: parts.receiveBufferBytes });
    return connection;
  }

  get frameBytesMax(): number {
    return this.#parts.answerBytesMax;
  }

  /** Memory of the arena that an incomplete answer and an unsent request take, in bytes. */
  get heldBytes(): number {
    return this.#framing.heldBytes + this.#sender.heldBytes;
  }

  get movedBytes(): number {
    return this.#framing.receivedBytes + this.#sender.sentBytes;
  }

  /** Sends a request. @param frame with its size, valid during the call @returns false when there is no memory for it */
  send(frame: Uint8Array): boolean {
    if (this.closeReason !== null) return true; // the owner is told that it is lost
    if (!this.#sender.append(frame, frame.length, [])) return false;
    this.#flush();
    return true;
  }

  /** Closes the connection without telling the owner. Idempotent. @param reason a sentence for the operator; null is not reported */
  end(reason: string | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (reason !== null) this.#parts.report(`Closed the connection to another broker: ${reason}`);
    this.closeReason ??= reason ?? "closed";
    if (!this.#isReceiving) this.#dispose();
  }

  /** The memory for an answer is used up (framing.ts), or an answer has no meaning. */
  close(reason: string): void {
    this.#lose(reason);
  }

  receiveInto(at: number, length: number): number {
    return receive(this.#fd, this.#parts.tools.arena.memory.address + at, length);
  }

  onFrame(start: number, length: number): boolean {
    this.#owner.onAnswer(start, length);
    return true;
  }

  onInvalidSize(size: number): void {
    this.#lose(`an answer of ${size} bytes, where ${this.frameBytesMax} are allowed`);
  }

  onMemory(block: number): void {
    if (block !== -1) this.#framing.growInto(block);
    this.#watch(READABLE, true);
    this.onReadable();
  }

  onReadable(): void {
    this.#isReceiving = true;
    for (let calls = 0; calls < RECEIVES_PER_TURN_MAX && this.closeReason === null; calls++) {
      const result = this.#framing.receive();
      if (result === "more") continue;
      if (result === "noMemory") this.#watch(READABLE, false);
      else if (result === "ended" || this.#isGone) this.#lose(null);
      break;
    }
    this.#isReceiving = false;
    if (this.closeReason !== null) this.#dispose();
  }

  onWritable(): void {
    this.#flush(true);
  }

  /** What has arrived before is handled first. */
  onHangUp(): void {
    this.#isGone = true;
    if (!this.#parts.tools.memory.isWaiting(this)) this.onReadable();
  }

  onTurn(): void {
    this.#flush();
  }

  #flush(wasWritable = false): void {
    if (this.closeReason !== null) return;
    const result = this.#sender.flush(wasWritable);
    this.#watch(WRITABLE, result === "blocked");
    if (result === "more" && this.#registration !== null) this.#parts.reactor.yieldTurn(this.#registration);
  }

  #watch(bit: number, isWatched: boolean): void {
    const registration = this.#registration;
    if (registration === null) return;
    const interest = isWatched ? registration.interest | bit : registration.interest & ~bit;
    if (!this.#parts.reactor.watch(registration, interest)) this.#lose(null);
  }

  #lose(reason: string | null): void {
    if (this.#isClosed) return;
    this.end(reason);
    this.#owner.onLost();
  }

  #dispose(): void {
    const registration = this.#registration;
    if (registration === null) return;
    this.#registration = null;
    const { reactor, tools, onClosed } = this.#parts;
    reactor.unregister(registration);
    tools.memory.cancelWaits(this);
    this.#sender.discard();
    this.#framing.discard();
    closeDescriptor(this.#fd);
    onClosed();
  }
}
