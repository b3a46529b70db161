/**
 * Records that wait for room in a ring, in order of arrival: one block of this isolate's memory, laid out like the ring. A record that
 * waited as an object of its own took 400 bytes of heap, and made more than half of the garbage of a hostile OffsetForLeaderEpoch.
 * Any isolate.
 */
import { assert } from "../../storage/base/assert.ts";
import { RECORD_FLOATS, RECORD_INTS, type RingRecord } from "./ring.ts";

/** Distance from one record to the next, in int32 words and in float64 words. */
const STRIDE_INTS = RECORD_INTS + 2 * RECORD_FLOATS;
const STRIDE_FLOATS = STRIDE_INTS / 2;
/** Initial room, in records. */
const RECORDS_MIN = 64;
/** An empty queue with more room than this frees its memory. */
const RECORDS_KEPT = 1024;

/** The queue. */
export class RecordQueue {
  /** A power of two; 0 until the first record. */
  #room = 0;
  #ints = new Int32Array(0);
  #floats = new Float64Array(0);
  /** Records taken, and added, since the start. The index of a record is its number modulo the room. */
  #taken = 0;
  #added = 0;
  /** Lent by `begin()` and `first`. */
  #place: RingRecord = { ints: this.#ints, floats: this.#floats, int: 0, float: 0 };

  /** Records that wait. */
  get count(): number {
    return this.#added - this.#taken;
  }

  /** @returns the record behind the last one, to be filled; `commit()` adds it. It holds the words of an old record */
  begin(): RingRecord {
    if (this.count === this.#room) this.#resize(Math.max(RECORDS_MIN, 2 * this.#room));
    return this.#aim(this.#added);
  }

  /** Adds the record of the last `begin()`. */
  commit(): void {
    this.#added++;
  }

  /** The oldest record, valid until `take()` or `begin()`; the queue must not be empty. */
  get first(): RingRecord {
    assert(this.count > 0, "a record waits");
    return this.#aim(this.#taken);
  }

  /** Removes the oldest record. */
  take(): void {
    this.#taken++;
    if (this.count === 0 && this.#room > RECORDS_KEPT) this.#resize(0);
  }

  #aim(number: number): RingRecord {
    const index = number & (this.#room - 1);
    this.#place.int = index * STRIDE_INTS;
    this.#place.float = index * STRIDE_FLOATS + RECORD_INTS / 2;
    return this.#place;
  }

  #resize(room: number): void {
    const old = this.#ints;
    const { count } = this;
    const memory = new ArrayBuffer(room * STRIDE_INTS * 4);
    const ints = new Int32Array(memory);
    for (let index = 0; index < count; index++) {
      const from = ((this.#taken + index) & (this.#room - 1)) * STRIDE_INTS;
      ints.set(old.subarray(from, from + STRIDE_INTS), index * STRIDE_INTS);
    }
    this.#room = room;
    this.#taken = 0;
    this.#added = count;
    this.#ints = ints;
    this.#floats = new Float64Array(memory);
    this.#place = { ints: this.#ints, floats: this.#floats, int: 0, float: 0 };
  }
}
