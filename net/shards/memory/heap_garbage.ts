/**
 * Limits the garbage in the old generation of a heap. V8 collects that generation when it is several times as large as what
 * lived after the last collection, so a shard whose objects take 30 MB comes to have 120. Requests with thousands of elements fill it:
 * they live for several turns, in which collections of the young generation move them to the old one. An idle shard keeps its garbage
 * for ever, because V8 collects idle heaps from the event loop, which a shard seldom reaches.
 *
 * V8 has no call that begins a collection, unless a flag of its command line allows it. But it counts the bytes of an ArrayBuffer as
 * part of the heap when it compares the heap with its limit. So an ArrayBuffer as large as the limit makes V8 begin to mark, on its own
 * threads and in small steps. The buffer is dropped at once and nobody writes to it, so it never takes memory.
 * Source: `Heap::HandleExternalMemoryInterrupt()` and `external_memory_accounted_in_global_limit` of V8. Runs on shards and on the main
 * isolate.
 */
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";

const MIB = 1024 * 1024;
/**
 * Growth of the old generation after which a collection is requested: less on the main isolate, where a few milliseconds of a collection
 * delay nobody. For large heaps it is GROWTH_SHARE of them.
 */
export const HEAP_GROWTH_BYTES = { shard: 16 * MIB, main: 8 * MIB } as const;
const GROWTH_SHARE = 1 / 2;
/** Growth after which a collection is requested once the heap has not grown for QUIET_MS. */
const QUIET_GROWTH_BYTES = 4 * MIB;
const QUIET_MS = 5000;
/** Growth that does not count as work. */
const STILL_BYTES = 256 * 1024;
/** Time between two looks: one takes 4 µs. */
const LOOK_MS = 20;
/** V8 lets the old generation grow to at most four times what lived. */
const LIMIT_FACTOR = 4;
/** Larger than the limit of a heap that is hardly used. */
const REQUEST_BYTES_MIN = 256 * MIB;
/** V8 collects at once, while the shard stands still, when such bytes exceed half of the largest heap that it allows. */
const HEAP_SHARE_MAX = 1 / 4;
const OLD_SPACES = ["old_space", "large_object_space"];

/** The old generation of an isolate's heap. */
export interface OldGeneration {
  /** Bytes of its objects, dead ones included. */
  readonly usedBytes: number;
  /** Lets a collection begin. It ends some milliseconds later. */
  requestCollection(): void;
}

/** Watches the old generation of an isolate. */
export class HeapGarbage {
  readonly #growthBytes: number;
  readonly #heap: OldGeneration;
  #lowestBytes = Infinity;
  #nextLookMs = 0;
  #seenBytes = 0;
  #quietFromMs = 0;

  /** @param growthBytes from `HEAP_GROWTH_BYTES` @param heap of this isolate */
  constructor(growthBytes: number, heap: OldGeneration = ownHeap()) {
    this.#growthBytes = growthBytes;
    this.#heap = heap;
  }

  /** Requests a collection if there may be too much garbage. Called while there is work. @param nowMs monotonic time */
  look(nowMs: number): void {
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + LOOK_MS;
    const { usedBytes } = this.#heap;
    if (Math.abs(usedBytes - this.#seenBytes) > STILL_BYTES) [this.#seenBytes, this.#quietFromMs] = [usedBytes, nowMs];
    this.#lowestBytes = Math.min(this.#lowestBytes, usedBytes);
    const isQuiet = nowMs - this.#quietFromMs >= QUIET_MS;
    const allowedBytes = isQuiet ? QUIET_GROWTH_BYTES : Math.max(this.#growthBytes, this.#lowestBytes * GROWTH_SHARE);
    if (usedBytes - this.#lowestBytes < allowedBytes) return;
    // What lives now is known after the collection. If all of it does, the next one is requested when it has grown as much again.
    this.#lowestBytes = usedBytes;
    this.#heap.requestCollection();
  }
}

/** The old generation of the isolate that calls this. */
export function ownHeap(): OldGeneration {
  const requestBytesMax = getHeapStatistics().heap_size_limit * HEAP_SHARE_MAX;
  let isRefused = false;
  const usedBytes = () => {
    let bytes = 0;
    for (const space of getHeapSpaceStatistics()) {
      if (OLD_SPACES.includes(space.space_name)) bytes += space.space_used_size;
    }
    return bytes;
  };
  return {
    get usedBytes() {
      return usedBytes();
    },
    requestCollection: () => {
      if (isRefused) return;
      try {
        new ArrayBuffer(Math.min(Math.max(REQUEST_BYTES_MIN, usedBytes() * LIMIT_FACTOR), requestBytesMax));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        isRefused = true; // The address space is limited. V8 has just collected for it, which takes long, so once is enough.
      }
    },
  };
}
