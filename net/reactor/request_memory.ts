/**
 * Decides which request gets memory, and in which order. The limit is this shard's share of `queued.max.request.bytes`. Runs on shards.
 *
 *   general part of the arena, used bytes ─────────────────────────────────────────────►            set aside
 *   0            any request may grow             largeEnd   small requests only   growthEnd  headroom │ one request
 *   |──────────────────────────────────────────────|──────────────────────────────|──────────────────│───────────|
 *
 * A block grows as bytes arrive. When its part of the arena is used up, the connection stops reading and waits for its turn. Large and
 * small requests have a line each, first come, first served, and nobody overtakes. Headroom is for landing blocks,
 * first parts of requests, and responses, so that connections which need no more continue meanwhile.
 *
 * One request can always complete. The block that is set aside holds the largest request there may be. It goes to the first in line
 * that cannot grow otherwise, which then has all the memory that it will ever need. So while any request waits, one request has this
 * block. The block comes back when that request has been handled and the shards that append it are done, which needs no memory. A
 * client that then sends nothing would keep it for ever. Therefore a connection that holds memory while others wait has to move a
 * part of it in STALL_MS, or it is closed.
 *
 * Two landing blocks are kept for good: slowly read answers and first parts of requests may fill the rest of the arena, and all
 * requests go through a landing block.
 *
 * Source: Kafka's SimpleMemoryPool takes the whole size before the first byte, so that a few clients that announce a size and send
 * nothing take it all.
 */
import { emptyTotals } from "../requests/pipeline_totals.ts";
import { type Arena, BLOCK_BYTES_MAX, blockBytesFor } from "../../partitions/mod.ts";
import { WaitingQueue } from "./waiting_queue.ts";

/** Largest request that fits into a block of the arena with its size prefix; caps `socket.request.max.bytes`. */
export const REQUEST_BYTES_MAX = BLOCK_BYTES_MAX - 4;
/** Bytes received from a socket at a time while no request is incomplete. Small enough to stay in a core's cache. */
export const LANDING_BYTES = 256 * 1024;
/** Landing blocks that are kept. */
const LANDING_BLOCKS = 2;
/** Part of the arena that no request grows into. */
const HEADROOM_BYTES = 64 * 1024 * 1024;
/** However small the budget, requests of usual sizes still arrive side by side. */
const GROWTH_BYTES_MIN = 16 * 1024 * 1024;
/** A larger request counts as large: clients send at most 1 MiB by default. */
const SMALL_REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Share of the memory for growing requests that large ones leave to small ones. */
const SMALL_SHARE = 1 / 4;
/** A connection that holds memory while others wait has to move STALL_SHARE of it in this time. */
const STALL_MS = 10_000;
/** 0.8 MB/s for the largest block. Slower clients are served as long as nobody waits. */
const STALL_SHARE = 1 / 16;
/** When nothing has needed a block for this long, pages go back to the kernel. */
const QUIET_MS = 5000;

/** What the memory needs of a connection. */
export interface MemoryHolder {
  /** Memory of the arena that it holds, in bytes. */
  readonly heldBytes: number;
  /** Bytes ever received and sent. */
  readonly movedBytes: number;
  /** Not null while it is being closed. */
  readonly closeReason: string | null;
  /** Grants the memory that it waited for. @param block -1 when it was the landing block, which all use */
  onMemory(block: number): void;
  close(reason: string): void;
}

/** Sizes of the memory. */
export interface RequestMemoryOptions {
  /** This shard's share of `queued.max.request.bytes`; Infinity for the whole arena. */
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
  /** Connections that wait for room for this many elements. */
  readonly #waitForWeights = new WaitingQueue<MemoryHolder, number>();
  readonly #arena: Arena;
  readonly #growthEnd: number;
  readonly #largeEnd: number;
  /** Connections that wait for a block, in order of arrival. */
  readonly #waiting = new Map<MemoryHolder, Need>();
  /** Connections that wait for a landing block, which all use. */
  readonly #waitForLanding = new WaitingQueue<MemoryHolder, null>();
  #largeCount = 0;
  #landing = -1;
  /** Blocks kept for receiving, whatever else fills the arena. While other shards read one, the other one serves. */
  #kept: number[] = [];
  #freedCount = 0;
  /** Bytes that each connection had moved when others began to wait, or at the last check since then. */
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

  /** The landing block, -1 while the arena has no room for one. `renewLanding()` replaces a block that is still being read. */
  get landing(): number {
    if (this.#landing === -1) this.#landing = this.#takeLanding();
    return this.#landing;
  }

  /** Connections that wait for memory. */
  get waitingCount(): number {
    return this.#waiting.size + this.#waitForLanding.count;
  }

  /** How often a connection ever had to wait for memory. */
  get waitsCount(): number {
    return this.#waitsCount;
  }

  /** Connections ever closed because they kept memory that others waited for. */
  get stalledCount(): number {
    return this.#stalledCount;
  }

  /** Whether a connection waits for memory. */
  isWaiting(holder: MemoryHolder): boolean {
    return this.#waiting.has(holder) || this.#waitForLanding.has(holder);
  }

  /** Whether a connection waits for memory, or for room for the elements of a request that arrived. The client cannot change that. */
  isBlocked(holder: MemoryHolder): boolean {
    return this.isWaiting(holder) || this.#waitForWeights.has(holder);
  }

  /** Waits until a request of this many elements may be decoded. */
  awaitWeights(holder: MemoryHolder, elements: number): void {
    this.#waitForWeights.add(holder, elements);
    this.pipelines.weights.isAwaited = true;
  }

  /** Leaves the landing block to the shards that read it. */
  renewLanding(): void {
    if (!this.#kept.includes(this.#landing)) this.#arena.release(this.#landing);
    this.#landing = -1;
  }

  /** Returns the blocks for receiving. They are taken again when they are needed. */
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
   * @param need sizes of the block and of the whole request, which never exceeds the block that is set aside
   * @returns the block, or -1: the connection waits and gets a block by `onMemory()`
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

  /** Takes a block if requests have room to grow, without waiting. @returns -1 when there is none */
  tryTake(need: Need): number {
    const end = isLarge(need) ? this.#largeEnd : this.#growthEnd;
    return this.#arena.usedBytes + blockBytesFor(need.size) > end ? -1 : this.#arena.allocate(need.size);
  }

  /** Removes a connection that closes from the lines. */
  cancelWaits(holder: MemoryHolder): void {
    const need = this.#waiting.get(holder);
    if (need !== undefined && isLarge(need)) this.#largeCount--;
    this.#waiting.delete(holder);
    this.#waitForLanding.delete(holder);
    this.#waitForWeights.delete(holder);
    this.pipelines.weights.isAwaited = this.#waitForWeights.count > 0;
    this.#moved.delete(holder);
    if (this.waitingCount === 0) this.#endPressure();
  }

  /** Whether there is room for the elements of the request that has waited longest for it. */
  get hasRoomForWaiting(): boolean {
    const first = this.#waitForWeights.firstNeed;
    return first !== undefined && first <= this.pipelines.weights.room;
  }

  /**
   * Grants memory that was returned to the connections that wait, in their order. Called at least once a turn.
   * @param mayContinue asked after each request that is handled then; the others are handled next time
   */
  grantWaiting(mayContinue: () => boolean = () => true): void {
    if (this.#waitForWeights.count > 0) this.#grantWeights(mayContinue);
    if (this.waitingCount === 0) return;
    this.#waitForLanding.grant(() => this.landing !== -1, (holder) => this.#grantBlock(holder, -1), always);
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
      if (block !== -1) this.#grantBlock(holder, block);
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
   * While connections wait, closes those that hold memory and move too little of it. Called every turn.
   * @param connections all of the shard
   */
  closeStalled(nowMs: number, connections: Iterable<MemoryHolder>): void {
    if (this.waitingCount === 0) return;
    if (this.#nextLookMs === Infinity) this.#nextLookMs = nowMs; // the pressure has just begun: note what each connection has moved
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + STALL_MS;
    for (const holder of connections) {
      const { heldBytes } = holder;
      if (heldBytes === 0 || holder.closeReason !== null || this.isBlocked(holder)) continue;
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

  /** Returns pages to the kernel when nothing has needed memory for a while. Called every turn. */
  trimWhenQuiet(nowMs: number): void {
    if (this.#arena.allocatedCount !== this.#seenCount) {
      this.#seenCount = this.#arena.allocatedCount;
      [this.#quietFromMs, this.#isTrimmed] = [nowMs, false];
    }
    if (this.#isTrimmed || nowMs - this.#quietFromMs < QUIET_MS) return;
    this.#isTrimmed = true;
    this.releaseLanding();
    this.#arena.discardFree();
    // Only what comes through a landing block fills the arena. So there will be room for one, unless the arena is rather full.
    if (this.#arena.usedBytes > this.#arena.sharedBytes / 2) this.#landing = this.#takeLanding();
  }

  /** Resumes the connections whose requests have room now, in order of arrival. */
  #grantWeights(mayContinue: () => boolean): void {
    const { weights } = this.pipelines;
    this.#waitForWeights.grant((elements) => elements <= weights.room, (holder) => {
      weights.isAwaited = false; // the first one waits for no other
      if (holder.closeReason === null) holder.onMemory(-1);
    }, mayContinue);
    weights.isAwaited = this.#waitForWeights.count > 0;
  }

  #beginWait(holder: MemoryHolder): void {
    this.#waitsCount++;
    this.#moved.delete(holder);
  }

  #grantBlock(holder: MemoryHolder, block: number): void {
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
