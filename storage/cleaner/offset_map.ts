/**
 * The last offset of each key of the part of a log that is cleaned. Pure; runs on the cleaner worker.
 *
 *   place = 24 bytes: hash of the key, 16 (base/key_hash.ts) · offset + 1 as a float64, 8; 0 for a free place
 *   | home places ................................ | overflow |        a key's home is its hash modulo their number
 *
 * A key that finds its home taken gets the next free place after it. The keys themselves are not kept, so a key of 1 MB costs 24 bytes,
 * as in Kafka. The table begins small, because a table that fits the cache is several times as fast as one that does not, and doubles
 * up to its limit. It grows where it lies: its memory is reserved from the start, and the kernel supplies a page when it is first
 * written.
 *
 * Must always hold: an entry lies at or after its home, and no place between the two is free.
 * Source: Kafka's SkimpyOffsetMap.
 */
import { assert } from "../base/assert.ts";
import { freeBytes } from "../base/freed_bytes.ts";
import { NO_OFFSET, type Offset, toOffset } from "../base/units.ts";
import { HASH_WORDS, hashKey, newHashSecret } from "../base/key_hash.ts";

/** Bytes of a place. */
export const PLACE_BYTES = 24;
const PLACE_WORDS = PLACE_BYTES / 4;
const PLACE_NUMBERS = PLACE_BYTES / 8;
/** Index of the offset among the 8-byte numbers of a place. */
const OFFSET_AT = 2;

/** Home places of a new table, or up to twice as many. */
const FIRST_HOMES = 1024;
/** Share of the home places in use at which a table grows, if it may. Fuller tables are slower. */
const GROWN_LOAD = 0.6;
/** Places after the home places: at a load of 0.9 a run of 3,000 taken places is rare even in the largest table. */
const OVERFLOW_MAX = 4096;
/** A small table has less overflow: this share of it. */
const OVERFLOW_SHARE = 1 / 16;

/** Most places, those of 2 GiB: Kafka's limit too. */
const PLACES_MAX = Math.floor(2 ** 31 / PLACE_BYTES);

/** Least memory of a map: eight places. */
export const OFFSET_MAP_BYTES_MIN = 8 * PLACE_BYTES;

/** Memory with keys. */
export interface KeyMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Offsets by key. */
export class OffsetMap implements Disposable {
  readonly #secret: Int32Array;
  readonly #hash = new Int32Array(HASH_WORDS);
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #numbers: Float64Array;
  readonly #overflow: number;
  readonly #homesMax: number;
  readonly #keysMax: number;
  #homes: number;
  #growAt: number;
  #size = 0;

  /**
   * @param bytesMax most memory of the table @param loadFactor share of the places that may be in use, above 0 and below 1
   * @param secret of the hashes; a random one where absent
   */
  constructor(bytesMax: number, loadFactor: number, secret: Int32Array = newHashSecret()) {
    assert(bytesMax >= OFFSET_MAP_BYTES_MIN, "an offset map has a few places");
    assert(loadFactor > 0 && loadFactor < 1, "a table has free places");
    this.#secret = secret;
    const places = Math.min(Math.floor(bytesMax / PLACE_BYTES), PLACES_MAX);
    this.#overflow = Math.min(OVERFLOW_MAX, Math.ceil(places * OVERFLOW_SHARE));
    let homes = places - this.#overflow;
    let doublings = 0;
    for (; homes >= 2 * FIRST_HOMES; doublings++) homes = Math.floor(homes / 2);
    this.#homes = homes;
    this.#homesMax = homes * 2 ** doublings;
    this.#keysMax = Math.max(1, Math.floor(places * loadFactor));
    const buffer = new ArrayBuffer((this.#homesMax + this.#overflow) * PLACE_BYTES);
    this.#words = new Int32Array(buffer);
    this.#numbers = new Float64Array(buffer);
    this.#growAt = this.#nextGrowth();
  }

  /** Number of keys. */
  get size(): number {
    return this.#size;
  }

  /** Share of the keys that it may hold, 0 to 1. */
  get utilization(): number {
    return this.#size / this.#keysMax;
  }

  /**
   * Stores the offset of a key, in the place of an earlier one.
   * @param memory holds the key @param start index of its first byte @param length of it in bytes
   * @returns false when there is no room for another key; nothing has changed then
   */
  put(memory: KeyMemory, start: number, length: number, offset: Offset): boolean {
    hashKey(this.#secret, memory, start, length, this.#hash);
    for (;;) {
      const place = this.#find();
      const isTaken = place >= 0 && this.#numbers[place * PLACE_NUMBERS + OFFSET_AT] !== 0;
      if (isTaken) {
        this.#numbers[place * PLACE_NUMBERS + OFFSET_AT] = offset + 1;
        return true;
      }
      const isDue = place < 0 || this.#size >= this.#growAt;
      if (isDue && this.#homes < this.#homesMax) {
        this.#grow();
        hashKey(this.#secret, memory, start, length, this.#hash);
        continue;
      }
      if (place < 0 || this.#size >= this.#keysMax) return false;
      this.#words.set(this.#hash, place * PLACE_WORDS);
      this.#numbers[place * PLACE_NUMBERS + OFFSET_AT] = offset + 1;
      this.#size++;
      return true;
    }
  }

  /** The stored offset of a key, -1 for none. */
  get(memory: KeyMemory, start: number, length: number): Offset {
    hashKey(this.#secret, memory, start, length, this.#hash);
    const place = this.#find();
    return place < 0 ? NO_OFFSET : toOffset(this.#numbers[place * PLACE_NUMBERS + OFFSET_AT]! - 1);
  }

  /** Frees its memory, which holds no key afterwards and takes none. Idempotent. */
  [Symbol.dispose](): void {
    if (!this.#words.buffer.detached) freeBytes(new Uint8Array(this.#words.buffer));
  }

  /** The place of the key in `#hash`, or the free place for it; -1 when the overflow is full too. */
  #find(): number {
    const words = this.#words;
    const numbers = this.#numbers;
    const hash = this.#hash;
    const [first, second, third, fourth] = [hash[0]!, hash[1]!, hash[2]!, hash[3]!];
    const end = this.#homes + this.#overflow;
    for (let place = homeOf(first, this.#homes); place < end; place++) {
      if (numbers[place * PLACE_NUMBERS + OFFSET_AT] === 0) return place;
      const at = place * PLACE_WORDS;
      if (words[at] !== first || words[at + 1] !== second) continue;
      if (words[at + 2] === third && words[at + 3] === fourth) return place;
    }
    return -1;
  }

  /**
   * Doubles the home places. An entry's home stays, or moves up by the old number of homes. So entries can be moved in ascending order:
   * all places before the current one hold entries that were moved, and each entry finds a free place there or in the new part.
   */
  #grow(): void {
    const [words, numbers, homes] = [this.#words, this.#numbers, this.#homes];
    const overflowed = words.slice(homes * PLACE_WORDS, (homes + this.#overflow) * PLACE_WORDS);
    words.fill(0, homes * PLACE_WORDS, (homes + this.#overflow) * PLACE_WORDS);
    this.#homes = 2 * homes;
    this.#growAt = this.#nextGrowth();
    for (let place = 0; place < homes; place++) this.#move(words, numbers, place);
    const offsets = new Float64Array(overflowed.buffer);
    for (let place = 0; place < this.#overflow; place++) this.#move(overflowed, offsets, place);
  }

  /** Moves an entry to where the grown table has it. @param words of the table with the entry @param numbers of the same memory */
  #move(words: Int32Array, numbers: Float64Array, place: number): void {
    const offset = numbers[place * PLACE_NUMBERS + OFFSET_AT]!;
    if (offset === 0) return;
    numbers[place * PLACE_NUMBERS + OFFSET_AT] = 0;
    for (let word = 0; word < HASH_WORDS; word++) this.#hash[word] = words[place * PLACE_WORDS + word]!;
    const free = this.#find();
    assert(free >= 0, "a table that grows has room for its entries");
    this.#words.set(this.#hash, free * PLACE_WORDS);
    this.#numbers[free * PLACE_NUMBERS + OFFSET_AT] = offset;
  }

  /** Number of keys at which the table grows; when it is full-grown, none. */
  #nextGrowth(): number {
    return this.#homes < this.#homesMax ? Math.floor(this.#homes * GROWN_LOAD) : Infinity;
  }
}

/** The home place of a hash: 31 of its bits, because a division of 32-bit integers is the fastest. */
function homeOf(firstWord: number, homes: number): number {
  return (firstWord & 0x7fff_ffff) % homes;
}
