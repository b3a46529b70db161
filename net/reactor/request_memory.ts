/**
 * Who gets memory for requests, and in which order: `queued.max.request.bytes`, this shard's share of it. Runs on shards.
 *
 *   general part of the arena, used bytes ─────────────────────────────────────────────►            set aside
 *   0            any request may grow             largeEnd   small requests only   growthEnd  headroom │ one request
 *   |──────────────────────────────────────────────|──────────────────────────────|──────────────────│───────────|
 *
 * A block grows as bytes arrive. When its part of the arena is used up the connection stops reading and waits its turn: first come,
 * first served among large requests and among small ones, and nobody who comes later gets ahead. Headroom is for landing blocks,
 * first parts of requests and responses, so that those who need no more go on meanwhile.
 *
 * Somebody can always complete. The block that is set aside holds the largest request there may be. It goes to the first in line
 * that cannot grow otherwise, who then has all that it will ever need; so while anybody waits, somebody has it, and it comes back
 * when that request has been handled and the shards that append it are done, which needs no memory. A client that then sends
 * nothing would keep it for ever: who holds memory while others wait has to move a part of it in STALL_MS, or is closed.
 *
 * Two landing blocks are kept for good: slowly read answers and first parts of requests may fill the rest of the arena, and everybody's
 * requests go through a landing block.
 *
 * Source: Kafka's SimpleMemoryPool takes the whole size before the first byte, so that a few clients that promise and send nothing
 * take it all.
 */
import { emptyTotals } from "../requests/pipeline_totals.ts";
import { type Arena, BLOCK_BYTES_MAX, blockBytesFor } from "../../partitions/mod.ts";
import { WaitingQueue } from "./waiting_queue.ts";

/** Largest request that fits into a block of the arena with its size prefix; caps `socket.request.max.bytes`. */
export const REQUEST_BYTES_MAX = BLOCK_BYTES_MAX - 4;
/** Bytes taken from a socket at a time while no request is incomplete. Small enough to stay in a core's cache. */
export const LANDING_BYTES = 256 * 1024;
/** Blocks of that size that are kept. */
const LANDING_BLOCKS = 2;
/** Part of the arena that no request grows into. */
const HEADROOM_BYTES = 64 * 1024 * 1024;
/** However small the budget, requests of usual sizes arrive side by side. */
const GROWTH_BYTES_MIN = 16 * 1024 * 1024;
/** A larger request is a large one: clients send at most 1 MiB unless told otherwise. */
const SMALL_REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Part of what requests may grow into that large ones leave to small ones. */
const SMALL_SHARE = 1 / 4;
/** Who holds memory that others wait for has to move STALL_SHARE of it in this time. */
const STALL_MS = 10_000;
/** 0.8 MB/s for the largest block: slower clients are served as long as nobody waits. */
const STALL_SHARE = 1 / 16;
/** When nothing has needed a block for this long, pages go back to the kernel. */
const QUIET_MS = 5000;

/** A connection as far as memory goes. */
export interface MemoryHolder {
  /** Memory of the arena that it holds, in bytes. */
  readonly heldBytes: number;
  /** Bytes received and sent, ever. */
  readonly movedBytes: number;
  /** Not null: it is being closed. */
  readonly closeReason: string | null;
  /** Gets what it waited for. @param block -1 when it was the landing block, which all use */
  onMemory(block: number): void;
  close(reason: string): void;
}

/** How much there is. */
export interface RequestMemoryOptions {
  /** This shard's share of `queued.max.request.bytes`, Infinity for as much as the arena has. */
  readonly budgetBytes: number;
  /** `socket.request.max.bytes` */
  readonly requestBytesMax: number;
}

const always = () => true;

interface Need {
  /** Bytes of the next block. */
  readonly size: number;
  /** Bytes of the whole request with its size prefix. */
  readonly wholeSize: number;
}

/** Memory for the requests of one shard. */
export class RequestMemory {
  /** What the requests of all connections take. */
  readonly pipelines = emptyTotals();
  /** For room for so many elements. */
  readonly #waitForWeights = new WaitingQueue<MemoryHolder, number>();
  readonly #arena: Arena;
  readonly #growthEnd: number;
  readonly #largeEnd: number;
  /** In the order of their coming. */
  readonly #waiting = new Map<MemoryHolder, Need>();
  /** For a landing block, which all use. */
  readonly #waitForLanding = new WaitingQueue<MemoryHolder, null>();
  #largeCount = 0;
  #landing = -1;
  /** Blocks that are kept for receiving, whatever else fills the arena: while other shards read one, the other one serves. */
  #kept: number[] = [];
  #freedCount = 0;
  /** What had been moved when the others began to wait, or at the last look since. */
  readonly #moved = new Map<MemoryHolder, number>();
  #nextLookMs = Infinity;
  #quietFromMs = 0;
  #seenCount = 0;
  #isTrimmed = true;
  #waitsCount = 0;
  #stalledCount = 0;

  /** @param arena with a block set aside for the largest request */
  constructor(arena: Arena, options: RequestMemoryOptions) {
    this.#arena = arena;
    const budget = options.budgetBytes - options.requestBytesMax;
    this.#growthEnd = Math.max(GROWTH_BYTES_MIN, Math.min(budget, arena.sharedBytes - HEADROOM_BYTES));
    this.#largeEnd = this.#growthEnd * (1 - SMALL_SHARE);
  }

  /** The landing block, -1 while the arena has no room for one; `renewLanding()` replaces one that is still being read. */
  get landing(): number {
    if (this.#landing === -1) this.#landing = this.#takeLanding();
    return this.#landing;
  }

  /** Connections that wait for memory. */
  get waitingCount(): number {
    return this.#waiting.size + this.#waitForLanding.count;
  }

  /** Times that a connection had to wait for memory, ever. */
  get waitsCount(): number {
    return this.#waitsCount;
  }

  /** Connections closed because they kept memory that others waited for, ever. */
  get stalledCount(): number {
    return this.#stalledCount;
  }

  /** Whether a connection waits. */
  isWaiting(holder: MemoryHolder): boolean {
    return this.#waiting.has(holder) || this.#waitForLanding.has(holder);
  }

  /** Whether a connection waits for memory, or for room for the elements of a request that has arrived: it can do nothing about it. */
  isLetWait(holder: MemoryHolder): boolean {
    return this.isWaiting(holder) || this.#waitForWeights.has(holder);
  }

  /** Waits until a request of so many elements may be decoded. */
  awaitWeights(holder: MemoryHolder, elements: number): void {
    this.#waitForWeights.add(holder, elements);
    this.pipelines.weights.isAwaited = true;
  }

  /** Leaves the landing block to who reads it. */
  renewLanding(): void {
    if (!this.#kept.includes(this.#landing)) this.#arena.release(this.#landing);
    this.#landing = -1;
  }

  /** Gives the blocks for receiving back; they are taken again when they are needed. */
  releaseLanding(): void {
    if (this.#landing !== -1) this.renewLanding();
    for (const block of this.#kept) this.#arena.release(block);
    this.#kept = [];
  }

  /** Waits until there is a landing block. */
  awaitLanding(holder: MemoryHolder): void {
    this.#waitForLanding.add(holder, null);
    this.#beginWait(holder);
  }

  /**
   * Takes a larger block for a request that is arriving.
   * @param need bytes of the block, and of the whole request, which the block that is set aside is large enough for
   * @returns the block, or -1: the connection waits, and gets one by `onMemory()`
   */
  take(holder: MemoryHolder, need: Need): number {
    if (!this.#hasOthersWaiting(need)) {
      const block = this.tryTake(need);
      if (block !== -1) return block;
    }
    if (this.#waiting.size === 0) {
      const block = this.#arena.allocateReserved();
      if (block !== -1) return block;
    }
    this.#waiting.set(holder, need);
    if (isLarge(need)) this.#largeCount++;
    this.#beginWait(holder);
    return -1;
  }

  /** Takes a block if there is room for requests to grow, without waiting. @returns -1 when there is none */
  tryTake(need: Need): number {
    const end = isLarge(need) ? this.#largeEnd : this.#growthEnd;
    return this.#arena.usedBytes + blockBytesFor(need.size) > end ? -1 : this.#arena.allocate(need.size);
  }

  /** A connection goes: it waits no more. */
  forget(holder: MemoryHolder): void {
    const need = this.#waiting.get(holder);
    if (need !== undefined && isLarge(need)) this.#largeCount--;
    this.#waiting.delete(holder);
    this.#waitForLanding.delete(holder);
    this.#waitForWeights.delete(holder);
    this.pipelines.weights.isAwaited = this.#waitForWeights.count > 0;
    this.#moved.delete(holder);
    if (this.waitingCount === 0) this.#endPressure();
  }

  /** Whether there is room for the elements of the request that has waited longest for some. */
  get hasRoomForWaiting(): boolean {
    const first = this.#waitForWeights.firstNeed;
    return first !== undefined && first <= this.pipelines.weights.room;
  }

  /**
   * Gives memory that came back to those that wait, in their order. Called once a turn, or more often.
   * @param mayGoOn asked after each request that is handled then; the others are handled next time
   */
  grantWaiting(mayGoOn: () => boolean = () => true): void {
    if (this.#waitForWeights.count > 0) this.#grantWeights(mayGoOn);
    if (this.waitingCount === 0) return;
    this.#waitForLanding.grant(() => this.landing !== -1, (holder) => this.#give(holder, -1), always);
    if (this.#arena.freedCount !== this.#freedCount) this.#grantBlocks();
    if (this.waitingCount === 0) this.#endPressure();
  }

  #grantBlocks(): void {
    this.#freedCount = this.#arena.freedCount;
    const isBlocked = { small: false, large: false };
    for (const [holder, need] of this.#waiting) {
      const size = isLarge(need) ? "large" : "small";
      let block = isBlocked[size] ? -1 : this.tryTake(need);
      if (block === -1) block = this.#arena.allocateReserved();
      if (block !== -1) this.#give(holder, block);
      else isBlocked[size] = true;
      if (isBlocked.small && isBlocked.large) break;
    }
  }

  #takeLanding(): number {
    while (this.#kept.length < LANDING_BLOCKS) {
      const block = this.#arena.allocate(LANDING_BYTES);
      if (block === -1) break;
      this.#kept.push(block);
    }
    return this.#kept.find((block) => !this.#arena.isShared(block)) ?? this.#arena.allocate(LANDING_BYTES);
  }

  /**
   * While some wait, closes those that hold memory and move too little of it. Called every turn.
   * @param connections all of the shard
   */
  closeStalled(nowMs: number, connections: Iterable<MemoryHolder>): void {
    if (this.waitingCount === 0) return;
    if (this.#nextLookMs === Infinity) this.#nextLookMs = nowMs; // the pressure has just begun: note where everybody is
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + STALL_MS;
    for (const holder of connections) {
      const { heldBytes } = holder;
      if (heldBytes === 0 || holder.closeReason !== null || this.isLetWait(holder)) continue;
      const before = this.#moved.get(holder);
      this.#moved.set(holder, holder.movedBytes);
      if (before === undefined || holder.movedBytes - before >= heldBytes * STALL_SHARE) continue;
      this.#stalledCount++;
      holder.close(
        `it holds ${heldBytes} bytes of the memory for requests that others wait for, and moved ${
          holder.movedBytes - before
        } in ${STALL_MS} ms`,
      );
    }
  }

  /** Gives pages back to the kernel when nothing has needed memory for a while. Called every turn. */
  trimWhenQuiet(nowMs: number): void {
    if (this.#arena.allocatedCount !== this.#seenCount) {
      this.#seenCount = this.#arena.allocatedCount;
      [this.#quietFromMs, this.#isTrimmed] = [nowMs, false];
    }
    if (this.#isTrimmed || nowMs - this.#quietFromMs < QUIET_MS) return;
    this.#isTrimmed = true;
    this.releaseLanding();
    this.#arena.discardFree();
    // Nothing fills the arena but what comes through a landing block, so that there will be room for them unless it is rather full.
    if (this.#arena.usedBytes > this.#arena.sharedBytes / 2) this.#landing = this.#takeLanding();
  }

  /** Lets those go on whose requests have room now, in the order of their coming. */
  #grantWeights(mayGoOn: () => boolean): void {
    const { weights } = this.pipelines;
    this.#waitForWeights.grant((elements) => elements <= weights.room, (holder) => {
      weights.isAwaited = false; // nobody is before this one
      if (holder.closeReason === null) holder.onMemory(-1);
    }, mayGoOn);
    weights.isAwaited = this.#waitForWeights.count > 0;
  }

  #beginWait(holder: MemoryHolder): void {
    this.#waitsCount++;
    this.#moved.delete(holder);
  }

  #give(holder: MemoryHolder, block: number): void {
    const need = this.#waiting.get(holder);
    if (need !== undefined && isLarge(need)) this.#largeCount--;
    this.#waiting.delete(holder);
    this.#waitForLanding.delete(holder);
    if (holder.closeReason === null) holder.onMemory(block);
    else if (block !== -1) this.#arena.release(block);
  }

  #hasOthersWaiting(need: Need): boolean {
    return isLarge(need) ? this.#largeCount > 0 : this.#waiting.size > this.#largeCount;
  }

  #endPressure(): void {
    this.#moved.clear();
    this.#nextLookMs = Infinity;
  }
}

function isLarge({ wholeSize }: Need): boolean {
  return wholeSize > SMALL_REQUEST_BYTES_MAX;
}
