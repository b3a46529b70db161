/**
 * Cuts the bytes of a stream into whole frames: requests of a client, or responses of another broker. A frame is a size (int32, which
 * does not count itself) and that many bytes. Runs on shards. It knows no sockets: its owner receives the bytes for it.
 *
 *   stream   ─┤ size │ frame ┤ size │ frame ┤ size │ fra        m e ┤
 *              └── landing block of the shard ──┘└──► own block ◄──┘
 *                   frames are handled in place        an incomplete frame, or frames that have to wait
 *
 * While no frame is incomplete, bytes land in the shard's landing block and frames are handled there. The start of an
 * incomplete frame moves to a block of its own, which grows as bytes arrive and never by the announced size. So an idle stream holds
 * no memory, and a client that announces too much gets little. A block whose bytes another shard still reads is replaced, not
 * reused. When there is no memory, the owner waits for some (request_memory.ts).
 */
import type { Arena } from "../../partitions/mod.ts";
import { LANDING_BYTES, type MemoryHolder, type RequestMemory } from "./request_memory.ts";

/** Length of the size before a frame, in bytes. */
const SIZE_BYTES = 4;
/** First size of an own block. */
const OWN_BLOCK_BYTES_MIN = 64 * 1024;
/** An own block grows to this multiple of what has arrived, but not beyond the size of the frame. */
const GROWTH_FACTOR = 8;
/** Once this much has arrived, it grows to that size. Its pages cost nothing until bytes come; copies of many MB stall the shard. */
const SMALL_BLOCK_BYTES_MAX = 4 * 1024 * 1024;

/** What framing uses of its shard. */
export interface FramingTools {
  readonly arena: Arena;
  readonly memory: RequestMemory;
  /** Closes the client with the most unread answers to free memory. @returns whether there was one */
  closeMostUnsent(): boolean;
}

/** The owner of a stream. Once its `closeReason` is set, no frame is handled any more. */
export interface FramingOwner extends MemoryHolder {
  /** Largest frame, without its size. */
  readonly frameBytesMax: number;
  /**
   * Receives what has arrived.
   * @param at position in the arena @param length room there, in bytes
   * @returns the number of bytes received, 0 at the end of the stream, -1 when there is nothing to receive
   */
  receiveInto(at: number, length: number): number;
  /**
   * Handles a whole frame.
   * @param start position in the arena @param length in bytes without the size @param handledCount frames handled in a row before it
   * @returns false when it has to wait: it stays, with everything behind it, until `Framing.handleKept()`
   */
  onFrame(start: number, length: number, handledCount: number): boolean;
  /** A size is negative or above `frameBytesMax`, so the rest of the stream has no meaning. The owner closes. */
  onInvalidSize(size: number): void;
}

/**
 * How a receive ended: "more" when it filled its room, so that there may be more; "drained" when it took everything; "nothing" when
 * there was nothing, or the stream has failed; "ended" at the end of the stream; "noMemory" when it has to wait for memory.
 */
export type ReceiveResult = "more" | "drained" | "nothing" | "ended" | "noMemory";

/** The frames of one stream. */
export class Framing {
  readonly #owner: FramingOwner;
  readonly #tools: FramingTools;
  /** The own block, -1 for none. */
  #block = -1;
  /** Bytes in the own block. */
  #filled = 0;
  #current = -1;
  #receivedBytes = 0;

  /** @param owner of the stream @param tools of the shard */
  constructor(owner: FramingOwner, tools: FramingTools) {
    this.#owner = owner;
    this.#tools = tools;
  }

  /** Whether no part of a frame is kept. */
  get isEmpty(): boolean {
    return this.#block === -1;
  }

  /** Memory of the arena that an incomplete frame takes, in bytes. */
  get heldBytes(): number {
    return this.#block === -1 ? 0 : this.#tools.arena.sizeOf(this.#block);
  }

  /** Bytes ever received. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** The block of the frame that is being handled. */
  get currentBlock(): number {
    return this.#current;
  }

  /** Receives once, and handles the frames that are whole then. */
  receive(): ReceiveResult {
    return this.#block === -1 ? this.#receiveLanding() : this.#receiveOwn();
  }

  /** Handles the frames that had to wait, then keeps, moves or drops the rest. */
  handleKept(): void {
    const block = this.#block;
    if (block === -1) return;
    const { arena } = this.#tools;
    const filled = this.#filled;
    const used = this.#handle(block, filled);
    if (this.#owner.closeReason !== null || used === 0) return;
    this.#block = -1;
    if (used < filled) this.#keep(block + used, filled - used);
    arena.release(block);
  }

  /** Continues in a larger block that the owner waited for. @param block owned by the framing from now on */
  growInto(block: number): void {
    this.#moveTo(block, this.#block, this.#filled);
  }

  /** Returns the own block. */
  discard(): void {
    if (this.#block !== -1) this.#tools.arena.release(this.#block);
    this.#block = -1;
  }

  #receiveLanding(): ReceiveResult {
    const { arena, memory } = this.#tools;
    const { landing } = memory;
    if (landing === -1) {
      memory.awaitLanding(this.#owner);
      return "noMemory";
    }
    const count = this.#owner.receiveInto(landing, LANDING_BYTES);
    if (count <= 0) return count === 0 ? "ended" : "nothing";
    this.#receivedBytes += count;
    const used = this.#handle(landing, count);
    if (used < count && this.#owner.closeReason === null) this.#keep(landing + used, count - used);
    if (arena.isShared(landing)) memory.renewLanding();
    return count === LANDING_BYTES ? "more" : "drained";
  }

  #receiveOwn(): ReceiveResult {
    const wanted = this.#bytesWanted();
    if (!this.#reserve(wanted)) return "noMemory";
    const room = Math.min(wanted, this.#tools.arena.sizeOf(this.#block)) - this.#filled;
    const count = this.#owner.receiveInto(this.#block + this.#filled, room);
    if (count <= 0) return count === 0 ? "ended" : "nothing";
    this.#receivedBytes += count;
    this.#filled += count;
    if (this.#filled === wanted) this.handleKept();
    return count === room ? "more" : "drained";
  }

  /** Bytes that the own block holds once the frame at its start is whole. */
  #bytesWanted(): number {
    if (this.#filled < SIZE_BYTES) return SIZE_BYTES;
    return SIZE_BYTES + this.#tools.arena.memory.view.getInt32(this.#block);
  }

  /** Makes room in the own block for more of a frame. @returns false when the owner has to wait for it */
  #reserve(wanted: number): boolean {
    const { arena, memory } = this.#tools;
    if (this.#filled < arena.sizeOf(this.#block)) return true;
    const grown = this.#filled >= SMALL_BLOCK_BYTES_MAX ? wanted : this.#filled * GROWTH_FACTOR;
    const size = Math.min(wanted, Math.max(OWN_BLOCK_BYTES_MIN, grown));
    const block = memory.take(this.#owner, { size, wholeSize: wanted });
    if (block === -1) return false;
    this.#moveTo(block, this.#block, this.#filled);
    return true;
  }

  /** Keeps the start of an incomplete frame, or frames that must wait, in an own block. */
  #keep(start: number, length: number): void {
    this.#filled = 0;
    const { arena, memory } = this.#tools;
    const wholeSize = length >= SIZE_BYTES ? SIZE_BYTES + arena.memory.view.getInt32(start) : SIZE_BYTES;
    const size = Math.max(length, Math.min(wholeSize, Math.max(OWN_BLOCK_BYTES_MIN, length * GROWTH_FACTOR)));
    let block = memory.tryTake({ size, wholeSize });
    // The bytes are about to be overwritten, so this may use the memory that is kept back from growing blocks.
    do if (block === -1) block = arena.allocate(length); while (block === -1 && this.#tools.closeMostUnsent());
    if (block === -1) this.#owner.close("no memory for a request");
    else this.#moveTo(block, start, length);
  }

  #moveTo(block: number, from: number, length: number): void {
    const { arena } = this.#tools;
    arena.memory.bytes.copyWithin(block, from, from + length);
    if (this.#block !== -1) arena.release(this.#block);
    this.#block = block;
    this.#filled = length;
  }

  /** Handles the whole frames at the start of a block. @param filled bytes in the block @returns how many bytes the frames took */
  #handle(block: number, filled: number): number {
    const owner = this.#owner;
    const { view } = this.#tools.arena.memory;
    this.#current = block;
    let used = 0;
    for (let handledCount = 0; filled - used >= SIZE_BYTES && owner.closeReason === null; handledCount++) {
      const size = view.getInt32(block + used);
      if (size < 0 || size > owner.frameBytesMax) {
        owner.onInvalidSize(size);
        break;
      }
      if (filled - used < SIZE_BYTES + size) break;
      if (!owner.onFrame(block + used + SIZE_BYTES, size, handledCount)) break;
      used += SIZE_BYTES + size;
    }
    return used;
  }
}
