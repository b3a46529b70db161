/**
 * One client connection on its shard: received bytes become whole requests (framing.ts), and answers are sent in order. Runs on
 * shards; the shard calls it on readiness and once at the end of each turn.
 *
 * It stops reading while its pipeline is full, while it waits for memory, when it is to be transferred to another shard, and while it is
 * muted, because its client has to pause (KIP-219). What had arrived then waits, and answers are sent.
 *
 * A client that shuts down its writing side is closed at once, as by Kafka: the requests that arrived before are carried out, and
 * answers that are not ready yet are dropped. The same holds for a connection that was reset. This also happens when a client
 * closes without reading all answers, and the requests that it sent before must still be carried out.
 */
import type { Arena, DelayedOperation } from "../../partitions/mod.ts";
import { receive } from "../../storage/mod.ts";
import type { Affinity } from "./affinity.ts";
import { Framing, type FramingOwner, type FramingTools, type ReceiveResult } from "./framing.ts";
import { releaseHoles } from "../requests/answer_frame.ts";
import type { PipelineOwner } from "../requests/exchange.ts";
import type { RequestTimes, TimedRequest } from "../requests/times/request_times.ts";
import { Pipeline } from "../requests/pipeline.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { MaybeIdle } from "./idle_connections.ts";
import type { RecordsPayload, Writer } from "../protocol/writer.ts";
import { isPipelineFull } from "./pipeline_limits.ts";
import type { DescriptorUser, Registration } from "./reactor.ts";
import { Sender, type SenderTools } from "./sender.ts";

/** The ordinary ends of a connection, which are not reported. */
export const CLOSED_BY_CLIENT = "closed by the client";
/** As above, but by a reset. */
export const RESET_BY_CLIENT = "reset by the client";

/** Receive calls of one connection in one turn, so that others get their turn. */
const RECEIVES_PER_TURN_MAX = 8;
/** Requests of one connection handled in a row. Without this limit, 200 clients that sent all they could stalled the others for 2 s. */
const REQUESTS_PER_TURN_MAX = 32;

/** After this many requests it checks whether its stretch of the turn is over. A check takes 85 ns, a small produce 10 µs. */
const REQUESTS_PER_LOOK = 4;

/** What a connection uses of its shard. */
export interface ConnectionShard extends SenderTools, FramingTools {
  readonly arena: Arena;
  readonly writer: Writer;
  /** How long the requests of the shard take. */
  readonly times: RequestTimes;
  /** Largest request, `socket.request.max.bytes`. */
  readonly requestBytesMax: number;
  /**
   * Handles a whole request.
   * @param start position of its header in the arena @param length in bytes, without the size prefix
   * @returns 0 when it was handled, or how many elements need room before it can be handled
   */
  onRequest(connection: Connection, start: number, length: number): number;
  /** The connection has something to send, or has to be closed, at the end of the turn. */
  markDirty(connection: Connection): void;
  /** The connection has more to handle: `onTurn()` is called in a later turn. */
  yieldTurn(connection: Connection): void;
  /** Whether the connection that is being served has to let others continue. */
  readonly isStretchOver: boolean;
  /** A handler threw. */
  onHandlerFailure(): void;
  /** Starts (true) or stops watching the connection for bytes to read. */
  setReading(connection: Connection, isReading: boolean): void;
  /** Something happened on the connection, so it is not idle. */
  markActive(connection: Connection): void;
  /** The client has disconnected. What had arrived is still handled, for a limited time. @param reason why the connection closes */
  onPeerGone(connection: Connection, reason: string): void;
  /** The connection is muted: `onMuteEnded()` is called after this time. */
  onMuted(connection: Connection, pauseMs: number): void;
}

/** A connection. */
export class Connection implements PipelineOwner, FramingOwner, DescriptorUser, MaybeIdle {
  readonly fd: number;
  readonly context: ConnectionContext;
  readonly pipeline: Pipeline;
  readonly affinity: Affinity;
  readonly sender: Sender;
  /** Owned by the shard: it is in this turn's list of connections to flush. */
  isDirty = false;
  /** Owned by the shard: its descriptor in the reactor. */
  registration: Registration | null = null;
  /** Owned by the shard: epoll has reported it writable since the last flush. */
  wasWritable = false;
  /** Owned by the shard: the deadline of a connection whose client has disconnected. */
  closeDeadline: DelayedOperation | null = null;
  /** Owned by the shard: when it is no longer muted. */
  muteEnd: DelayedOperation | null = null;
  /** Owned by the shard: index of the listener that accepted it. */
  listener = 0;
  /** Owned by the shard: number by which the main isolate counts it. */
  peer = 0;
  activeTick = 0;
  /** When the bytes that are being handled were there, µs. */
  arrivedUs = 0;
  /** Set once: the reason why the connection closes at the end of the turn. */
  closeReason: string | null = null;
  /** It closes because a handler threw, which is a bug of the broker. */
  hasFailedHandler = false;
  readonly #shard: ConnectionShard;
  readonly #framing: Framing;
  #isPaused = false;
  /** It has handled its share and waits for `onTurn()`. */
  #isYielding = false;
  /** Its client has to pause. */
  #isMuted = false;
  #goneReason: string | null = null;
  /** It has stopped reading because it is to be transferred. */
  #isLeaving = false;

  /** @param fd an accepted, non-blocking socket, owned by the connection from now on */
  constructor(fd: number, context: ConnectionContext, shard: ConnectionShard, affinity: Affinity) {
    this.fd = fd;
    this.affinity = affinity;
    this.context = context;
    this.#shard = shard;
    this.sender = new Sender(fd, shard, () => shard.markDirty(this));
    this.#framing = new Framing(this, shard);
    this.pipeline = new Pipeline(this, shard.memory.pipelines);
  }

  get times(): RequestTimes {
    return this.#shard.times;
  }

  get writer(): Writer {
    return this.#shard.writer;
  }

  /** Memory of the arena that an incomplete request and unsent responses take, in bytes. */
  get heldBytes(): number {
    return this.#framing.heldBytes + this.sender.heldBytes;
  }

  get movedBytes(): number {
    return this.#framing.receivedBytes + this.sender.sentBytes;
  }

  get isServed(): boolean {
    return this.pipeline.length > 0 || this.#shard.memory.isBlocked(this);
  }

  /** The socket has bytes, or its peer has closed it. */
  onReadable(): void {
    this.#shard.markActive(this);
    this.arrivedUs = this.registration?.readyUs ?? this.times.nowUs;
    for (let calls = 0; calls < RECEIVES_PER_TURN_MAX && this.closeReason === null && !this.#isPaused; calls++) {
      if (this.#framing.isEmpty && this.#isToTransfer) return this.#stopToTransfer();
      const result = this.#framing.receive();
      if (result !== "more") return this.#onReceived(result);
    }
  }

  /** The socket accepts more bytes. They are sent at the end of the turn. */
  onWritable(): void {
    this.#shard.markActive(this);
    this.wasWritable = true;
    this.#shard.markDirty(this);
  }

  /** The client has disconnected. What had arrived is handled first, for a limited time. */
  onHangUp(hasFailed: boolean): void {
    const reason = hasFailed ? RESET_BY_CLIENT : CLOSED_BY_CLIENT;
    this.#shard.markActive(this);
    this.#shard.onPeerGone(this, reason);
    this.onPeerGone(reason);
  }

  /** The socket has failed. Handles what had arrived, now and in later turns, then closes. Nothing is sent any more. */
  onPeerGone(reason: string): void {
    this.#goneReason ??= reason;
    this.sender.discard();
    // It cannot send more than it has. What it sent is carried out and charged, as that of other clients that are gone.
    this.#isMuted = false;
    if (this.#isPaused) return this.resumeReading();
    this.onReadable();
    if (!this.#isPaused && this.closeReason === null) this.#shard.setReading(this, true);
  }

  /** There may be room in the pipeline again. Handles what had already arrived, then continues to read. */
  resumeReading(): void {
    if (this.#isLeaving && !this.#isToTransfer) this.#cancelTransfer();
    if (!this.#isPaused || this.#isMuted || this.#isYielding || this.closeReason !== null) return;
    if (isPipelineFull(this.pipeline, this.sender) || this.#shard.memory.isBlocked(this)) return;
    this.#isPaused = false;
    this.#framing.handleKept();
    if (!this.#isPaused && this.closeReason === null) this.#shard.setReading(this, true);
  }

  /** It is this connection's turn again. */
  onTurn(): void {
    this.#isYielding = false;
    this.resumeReading();
  }

  mute(pauseMs: number): void {
    if (this.#goneReason !== null || this.closeReason !== null) return;
    this.#isMuted = true;
    this.#pause();
    this.#shard.onMuted(this, pauseMs);
  }

  /** Its client has paused for long enough. */
  onMuteEnded(): void {
    this.#isMuted = false;
    this.#shard.markDirty(this);
  }

  onMemory(block: number): void {
    if (block !== -1) this.#framing.growInto(block);
    this.resumeReading();
  }

  /** Whether the connection belongs to another shard and has no request, answer or bytes left here. */
  get canTransfer(): boolean {
    const isQuiet = this.#framing.isEmpty && this.pipeline.length === 0 && this.sender.pendingBytes === 0;
    return isQuiet && this.#isToTransfer && this.closeReason === null;
  }

  get #isToTransfer(): boolean {
    // What it remembers of refused batches, and for how long it is muted, is not transferred with it.
    const isTied = this.#goneReason !== null || this.#isMuted || this.context.refusedBatches?.isEmpty === false;
    return this.affinity.destination !== -1 && !isTied;
  }

  /** Reads no further request. The shard transfers the connection once the pending ones are answered. */
  #stopToTransfer(): void {
    this.#isLeaving = true;
    this.#shard.setReading(this, false);
    this.#shard.markDirty(this);
  }

  /** The connection cannot be transferred at the moment, and resumes reading. */
  onTransferRefused(): void {
    this.affinity.startOver();
    this.#cancelTransfer();
  }

  /** Resumes reading: the connection is not transferred. */
  #cancelTransfer(): void {
    this.#isLeaving = false;
    if (!this.#isPaused && this.closeReason === null) this.#shard.setReading(this, true);
  }

  get frameBytesMax(): number {
    return this.#shard.requestBytesMax;
  }

  receiveInto(at: number, length: number): number {
    return receive(this.fd, this.#shard.arena.memory.address + at, length);
  }

  /** Handles a request, unless it has to wait. */
  onFrame(start: number, length: number, handledCount: number): boolean {
    const { pipeline } = this;
    const apiKey = length < 2 ? -1 : this.#shard.arena.memory.view.getInt16(start);
    if (this.#isMuted || isPipelineFull(pipeline, this.sender) || pipeline.holdsBack(apiKey)) {
      this.#pause();
      return false;
    }
    const isLook = handledCount > 0 && handledCount % REQUESTS_PER_LOOK === 0;
    if (handledCount === REQUESTS_PER_TURN_MAX || (isLook && this.#shard.isStretchOver)) {
      this.#yield();
      return false;
    }
    const elements = this.#shard.onRequest(this, start, length);
    if (elements > 0) {
      this.#shard.memory.awaitWeights(this, elements);
      this.#pause();
      return false;
    }
    pipeline.hold(length);
    return true;
  }

  onInvalidSize(size: number): void {
    this.close(`invalid request size ${size} (socket.request.max.bytes is ${this.frameBytesMax})`);
  }

  get currentBlock(): number {
    return this.#framing.currentBlock;
  }

  retainBlock(block: number): void {
    this.#shard.arena.retain(block);
  }

  releaseBlock(block: number): void {
    this.#shard.arena.release(block);
  }

  onHandlerFailure(): void {
    this.hasFailedHandler = true;
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

  onAnswer(request: TimedRequest): void {
    if (this.closeReason === null && this.#goneReason === null) this.times.queued(request, this.sender);
  }

  close(reason: string): void {
    this.closeReason ??= reason;
    this.#shard.markDirty(this);
  }

  /** Releases everything except the descriptor, which the shard closes. */
  dispose(): void {
    this.closeReason ??= "closed";
    this.#shard.memory.cancelWaits(this);
    this.pipeline.abandon();
    this.sender.discard();
    this.times.dropUnsent(this.sender);
    this.#framing.discard();
  }

  #onReceived(result: Exclude<ReceiveResult, "more">): void {
    if (result === "noMemory") this.#pause();
    else if (result === "ended") this.close(CLOSED_BY_CLIENT);
    // The socket is empty or has failed. Epoll reports the failure.
    else if (result === "nothing" && this.#goneReason !== null) this.close(this.#goneReason);
  }

  #pause(): void {
    this.#isPaused = true;
    this.#shard.setReading(this, false);
  }

  /** Lets the other connections have their turn before it handles the rest. */
  #yield(): void {
    this.#isYielding = true;
    this.#pause();
    this.#shard.yieldTurn(this);
  }
}
