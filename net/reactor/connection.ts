/**
 * One client connection on its shard: bytes in become whole requests, answers go out in order. Runs on shards; the shard calls
 * it on readiness and once at the end of each turn.
 *
 * Receiving: while no request is incomplete, bytes land in the shard's landing block and requests are handled where they lie.
 * The start of an incomplete request moves to a block of the connection's own, which grows as bytes arrive (never by
 * what a length prefix promises), so an idle connection holds no memory and a liar gets little. A block whose
 * bytes another shard still reads is replaced, not reused. A connection that finds no memory stops reading until there is some.
 *
 * A client that shuts its writing side down is closed at once, as by Kafka: the requests that arrived before are carried out,
 * answers that are not ready yet are dropped. So it is with one whose connection was reset, which also happens to a client that
 * closes without having read all answers: what it sent before is still there.
 */
import type { Arena, DelayedOperation } from "../../partitions/mod.ts";
import { receive } from "../../storage/mod.ts";
import type { Affinity } from "./affinity.ts";
import { Pipeline, type PipelineOwner, releaseHoles } from "../requests/exchange.ts";
import type { ConnectionContext } from "../requests/handler.ts";
import type { MaybeIdle } from "./idle_connections.ts";
import type { RecordsPayload, Writer } from "../protocol/writer.ts";
import type { MaybeReady } from "./ready_connections.ts";
import { isPipelineFull } from "./pipeline_limits.ts";
import { LANDING_BYTES, type MemoryHolder, type RequestMemory } from "./request_memory.ts";
import { Sender, type SenderTools } from "./sender.ts";

/** The ordinary ends of a connection: nobody needs to hear of them. */
export const CLOSED_BY_CLIENT = "closed by the client";
/** As above, without a farewell. */
export const RESET_BY_CLIENT = "reset by the client";

/** First size of a connection's own block. */
const OWN_BLOCK_BYTES_MIN = 64 * 1024;
/** An own block grows to this multiple of what has arrived, at most to the size of the request … */
const GROWTH_FACTOR = 8;
/** … and to that size once this much has: its pages cost nothing until bytes come, copies of many megabytes stall the shard. */
const SMALL_BLOCK_BYTES_MAX = 4 * 1024 * 1024;
/** Receive calls of one connection in one turn, so that the others get theirs. */
const RECEIVES_PER_TURN_MAX = 8;
/** Requests of one connection that are handled at a stretch: 200 clients that sent all they could stalled the others for 2 s. */
const REQUESTS_PER_TURN_MAX = 32;

/** After so many of them it looks whether its stretch of the turn is over: a look takes 85 ns, a small produce 10 µs. */
const REQUESTS_PER_LOOK = 4;

/** What a connection uses of its shard. */
export interface ConnectionShard extends SenderTools {
  readonly arena: Arena;
  readonly writer: Writer;
  /** Largest request, `socket.request.max.bytes`. */
  readonly requestBytesMax: number;
  /** Memory for requests. */
  readonly memory: RequestMemory;
  /**
   * Handles a whole request.
   * @param start of its header in the arena @param length without the size prefix
   * @returns 0, or how many elements there has to be room for before it can be handled
   */
  onRequest(connection: Connection, start: number, length: number): number;
  /** The connection has something to send, or to be closed, at the end of the turn. */
  markDirty(connection: Connection): void;
  /** The connection has more to handle: `takeTurn()` is called in a later turn. */
  yieldTurn(connection: Connection): void;
  /** Whether the connection that is being served has to let the others go on. */
  readonly isStretchOver: boolean;
  /** A handler threw. */
  onHandlerFailure(): void;
  /** The connection wants to read again (true) or not. */
  setReading(connection: Connection, reading: boolean): void;
}

/** A connection. */
export class Connection implements PipelineOwner, MaybeIdle, MemoryHolder, MaybeReady {
  readonly fd: number;
  readonly context: ConnectionContext;
  readonly pipeline: Pipeline;
  readonly affinity: Affinity;
  readonly sender: Sender;
  /** Belongs to the shard: on this turn's list of connections to flush. */
  isDirty = false;
  isReady = false;
  /** Belongs to the shard: what epoll has said since the connection was served last. */
  readyBits = 0;
  /** Belongs to the shard: epoll has said so since the last flush. */
  wasWritable = false;
  /** Belongs to the shard: when it closes at the latest, once its client has gone. */
  end: DelayedOperation | null = null;
  /** Belongs to the shard: number of the listener that accepted it. */
  listener = 0;
  /** Belongs to the shard: what the main isolate counts it by. */
  peer = 0;
  activeTick = 0;
  /** Has handled its share and waits for `takeTurn()`. */
  isYielding = false;
  /** Belongs to the shard: what epoll watches. */
  interest = 0;
  /** Set once: why the connection closes at the end of the turn. */
  closeReason: string | null = null;
  readonly #shard: ConnectionShard;
  #block = -1;
  #filled = 0;
  #current = -1;
  #isPaused = false;
  #receivedBytes = 0;
  #goneReason: string | null = null;
  /** It reads no more because it is to be transferred. */
  #isLeaving = false;

  /** @param fd an accepted, non-blocking socket that the connection owns from now on */
  constructor(fd: number, context: ConnectionContext, shard: ConnectionShard, affinity: Affinity) {
    this.fd = fd;
    this.affinity = affinity;
    this.context = context;
    this.#shard = shard;
    this.sender = new Sender(fd, shard, () => shard.markDirty(this));
    this.pipeline = new Pipeline(this, shard.memory.pipelines);
  }

  get writer(): Writer {
    return this.#shard.writer;
  }

  /** Memory of the arena that an incomplete request and unsent responses take, in bytes. */
  get heldBytes(): number {
    return (this.#block === -1 ? 0 : this.#shard.arena.sizeOf(this.#block)) + this.sender.heldBytes;
  }

  get movedBytes(): number {
    return this.#receivedBytes + this.sender.sentBytes;
  }

  get isServed(): boolean {
    return this.pipeline.length > 0 || this.#shard.memory.isLetWait(this);
  }

  /** The socket has bytes, or its peer has closed it. */
  onReadable(): void {
    for (let calls = 0; calls < RECEIVES_PER_TURN_MAX && this.closeReason === null && !this.#isPaused; calls++) {
      if (this.#block === -1 && this.#isToTransfer) return this.#stopToTransfer();
      const more = this.#block === -1 ? this.#receiveLanding() : this.#receiveOwn();
      if (!more) return;
    }
  }

  /** Whether nobody is there who takes answers. */
  get isPeerGone(): boolean {
    return this.#goneReason !== null;
  }

  /** The socket has failed. Handles what had arrived before, now and on later turns, then closes; nothing is sent any more. */
  onPeerGone(reason: string): void {
    this.#goneReason ??= reason;
    this.sender.discard();
    if (this.#isPaused) return this.resumeReading();
    this.onReadable();
    if (!this.#isPaused && this.closeReason === null) this.#shard.setReading(this, true);
  }

  /** There may be room in the pipeline again. Handles what had already arrived, then reads on. */
  resumeReading(): void {
    if (this.#isLeaving && !this.#isToTransfer) this.#stay();
    if (!this.#isPaused || this.isYielding || this.closeReason !== null) return;
    if (isPipelineFull(this.pipeline, this.sender) || this.#shard.memory.isLetWait(this)) return;
    this.#isPaused = false;
    if (this.#block !== -1) this.#handleOwn();
    if (!this.#isPaused && this.closeReason === null) this.#shard.setReading(this, true);
  }

  /** It is this connection's turn again. */
  takeTurn(): void {
    this.isYielding = false;
    this.resumeReading();
  }

  onMemory(block: number): void {
    if (block !== -1) this.#moveTo(block, this.#block, this.#filled);
    this.resumeReading();
  }

  /** Whether the connection belongs elsewhere and nothing of it is here any more: no request, no answer, no bytes. */
  get canTransfer(): boolean {
    const isQuiet = this.#block === -1 && this.pipeline.length === 0 && this.sender.pendingBytes === 0;
    return isQuiet && this.#isToTransfer && this.closeReason === null;
  }

  get #isToTransfer(): boolean {
    // What it remembers of refused batches is not transferred with it.
    const isTied = this.#goneReason !== null || this.context.refusedBatches?.isEmpty === false;
    return this.affinity.destination !== -1 && !isTied;
  }

  /** Reads no further request; once those under way are answered, the shard transfers the connection. */
  #stopToTransfer(): void {
    this.#isLeaving = true;
    this.#shard.setReading(this, false);
    this.#shard.markDirty(this);
  }

  /** A request that was still under way ties it to this shard. */
  #stay(): void {
    this.#isLeaving = false;
    if (!this.#isPaused && this.closeReason === null) this.#shard.setReading(this, true);
  }

  get currentBlock(): number {
    return this.#current;
  }

  retainBlock(block: number): void {
    this.#shard.arena.retain(block);
  }

  releaseBlock(block: number): void {
    this.#shard.arena.release(block);
  }

  onHandlerFailure(): void {
    this.#shard.onHandlerFailure();
  }

  onEnded(): void {
    if (this.#isPaused || this.#isLeaving || this.#isToTransfer) this.#shard.markDirty(this);
  }

  sendEncoded(bytes: Uint8Array, end: number, holes: readonly { at: number; payload: RecordsPayload }[]): void {
    if (this.closeReason !== null) return releaseHoles(holes);
    if (this.#goneReason !== null) {
      releaseHoles(holes);
      return this.onEnded();
    }
    if (!this.sender.append(bytes, end, holes)) {
      this.close("no memory for a response, or a segment file could not be read");
    } else this.#shard.markDirty(this);
  }

  close(reason: string): void {
    this.closeReason ??= reason;
    this.#shard.markDirty(this);
  }

  /** Lets everything go except the descriptor, which the shard closes. */
  dispose(): void {
    this.closeReason ??= "closed";
    this.#shard.memory.forget(this);
    this.pipeline.abandon();
    this.sender.discard();
    if (this.#block !== -1) this.#shard.arena.release(this.#block);
    this.#block = -1;
  }

  #pause(): false {
    this.#isPaused = true;
    this.#shard.setReading(this, false);
    return false;
  }

  /** Lets the other connections have their turn before it handles the rest. */
  #yield(): void {
    this.isYielding = true;
    this.#pause();
    this.#shard.yieldTurn(this);
  }

  #receiveLanding(): boolean {
    const { arena, memory } = this.#shard;
    const { landing } = memory;
    if (landing === -1) {
      memory.awaitLanding(this);
      return this.#pause();
    }
    const count = receive(this.fd, arena.memory.address + landing, LANDING_BYTES);
    if (count <= 0) return this.#receivedNothing(count);
    this.#receivedBytes += count;
    const used = this.#handle(landing, 0, count);
    if (used < count && this.closeReason === null) this.#keep(landing + used, count - used);
    if (arena.isShared(landing)) memory.renewLanding();
    return count === LANDING_BYTES;
  }

  #receiveOwn(): boolean {
    const { arena } = this.#shard;
    const wanted = this.#bytesWanted();
    if (!this.#reserve(wanted)) return false;
    const room = Math.min(wanted, arena.sizeOf(this.#block)) - this.#filled;
    const count = receive(this.fd, arena.memory.address + this.#block + this.#filled, room);
    if (count <= 0) return this.#receivedNothing(count);
    this.#receivedBytes += count;
    this.#filled += count;
    if (this.#filled === wanted) this.#handleOwn();
    return count === room;
  }

  #receivedNothing(count: number): false {
    // -1: nothing there, or the socket failed; epoll reports the failure as such.
    if (count === 0) this.close(CLOSED_BY_CLIENT);
    else if (this.#goneReason !== null) this.close(this.#goneReason);
    return false;
  }

  /** Bytes the own block holds once the request at its start is complete; the size prefix comes first. */
  #bytesWanted(): number {
    if (this.#filled < 4) return 4;
    return 4 + this.#shard.arena.memory.view.getInt32(this.#block);
  }

  /** Makes room in the own block for more of a request. @returns false when it has to wait for that */
  #reserve(wanted: number): boolean {
    const { arena, memory } = this.#shard;
    if (this.#filled < arena.sizeOf(this.#block)) return true;
    const grown = this.#filled >= SMALL_BLOCK_BYTES_MAX ? wanted : this.#filled * GROWTH_FACTOR;
    const size = Math.min(wanted, Math.max(OWN_BLOCK_BYTES_MIN, grown));
    const block = memory.take(this, { size, wholeSize: wanted });
    if (block === -1) return this.#pause();
    this.#moveTo(block, this.#block, this.#filled);
    return true;
  }

  /** Keeps the start of an incomplete request (or requests that must wait) in a block of the connection's own. */
  #keep(start: number, length: number): void {
    this.#filled = 0;
    const { arena, memory } = this.#shard;
    const wholeSize = length >= 4 ? 4 + arena.memory.view.getInt32(start) : 4;
    const size = Math.max(length, Math.min(wholeSize, Math.max(OWN_BLOCK_BYTES_MIN, length * GROWTH_FACTOR)));
    let block = memory.tryTake({ size, wholeSize });
    // The bytes are about to be overwritten: they may have what is kept from growing blocks.
    do if (block === -1) block = arena.allocate(length); while (block === -1 && this.#shard.makeRoom());
    if (block === -1) this.close("no memory for a request");
    else this.#moveTo(block, start, length);
  }

  #moveTo(block: number, from: number, length: number): void {
    const { arena } = this.#shard;
    arena.memory.bytes.copyWithin(block, from, from + length);
    if (this.#block !== -1) arena.release(this.#block);
    this.#block = block;
    this.#filled = length;
  }

  /** Handles the requests in the own block and keeps, moves or drops the rest. */
  #handleOwn(): void {
    const { arena } = this.#shard;
    const block = this.#block;
    const filled = this.#filled;
    const used = this.#handle(block, 0, filled);
    if (this.closeReason !== null || used === 0) return;
    this.#block = -1;
    if (used < filled) this.#keep(block + used, filled - used);
    arena.release(block);
  }

  /** Handles whole requests from `start` on. @returns how many bytes they took */
  #handle(block: number, from: number, length: number): number {
    const { view } = this.#shard.arena.memory;
    this.#current = block;
    let used = from;
    let handledCount = 0;
    while (length - used >= 4 && this.closeReason === null) {
      const size = view.getInt32(block + used);
      if (size < 0 || size > this.#shard.requestBytesMax) {
        this.close(`invalid request size ${size} (socket.request.max.bytes is ${this.#shard.requestBytesMax})`);
        break;
      }
      if (length - used < 4 + size) break;
      if (
        isPipelineFull(this.pipeline, this.sender) ||
        (size >= 2 && this.pipeline.holdsBack(view.getInt16(block + used + 4)))
      ) {
        this.#pause();
        break;
      }
      const isLook = handledCount > 0 && handledCount % REQUESTS_PER_LOOK === 0;
      if (handledCount === REQUESTS_PER_TURN_MAX || (isLook && this.#shard.isStretchOver)) {
        this.#yield();
        break;
      }
      handledCount++;
      const elements = this.#shard.onRequest(this, block + used + 4, size);
      if (elements > 0) {
        this.#shard.memory.awaitWeights(this, elements);
        this.#pause();
        break;
      }
      this.pipeline.hold(size);
      used += 4 + size;
    }
    return used;
  }
}
