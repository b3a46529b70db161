/**
 * Batches of upserts for the compaction shapes: one batch is built, and for each next one only its keys and its checksum are written anew,
 * so that a client can send more than a broker takes. Pure, except for the batch, which each call changes.
 *
 * The keys are random numbers below the number of distinct keys, so nearly all distinct keys occur when there are ten times as many
 * records, and the last record of a key may be in any batch, with most of them near the end of the log.
 */
import { crc32c } from "npm:@node-rs/crc32@1.10.8";
import { createRandom } from "../../../storage/base/random.ts";
import { wireBatch } from "../../peer/wire_bytes.ts";

/** What the batches hold. */
export interface UpsertLoad {
  /** Bytes of a key and its value together. */
  readonly recordBytes: number;
  readonly recordsPerBatch: number;
  readonly distinctKeys: number;
  /** The same seed gives the same keys. */
  readonly seed: number;
}

/** Digits of a key. */
const KEY_BYTES = 16;
/** A byte that only the keys of the first batch have: values are letters, and lengths and deltas never have it this often in a row. */
const MARK = 0xff;
/** Places in a batch; wireBatch() draws them. */
const [CRC_AT, ATTRIBUTES_AT] = [17, 21] as const;

/** Batches with keys of a seed. */
export class UpsertBatches {
  readonly #load: UpsertLoad;
  readonly #batch: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #keysAt: readonly number[];
  readonly #random: () => number;

  constructor(load: UpsertLoad) {
    this.#load = load;
    this.#random = createRandom(load.seed);
    const key = new Uint8Array(KEY_BYTES).fill(MARK);
    this.#batch = wireBatch(
      Array.from({ length: load.recordsPerBatch }, () => ({ key, value: this.#letters(load.recordBytes - KEY_BYTES) })),
    );
    this.#view = new DataView(this.#batch.buffer);
    this.#keysAt = marksIn(this.#batch);
  }

  /** The next batch; the array is valid until the next call. */
  next(): Uint8Array<ArrayBuffer> {
    for (const at of this.#keysAt) {
      let number = Math.floor(this.#random() * this.#load.distinctKeys);
      for (let digit = KEY_BYTES - 1; digit >= 0; digit--) {
        this.#batch[at + digit] = ZERO + number % 10;
        number = Math.floor(number / 10);
      }
    }
    this.#view.setUint32(CRC_AT, crc32c(this.#batch.subarray(ATTRIBUTES_AT)));
    return this.#batch;
  }

  #letters(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => LETTER_A + Math.floor(this.#random() * 26));
  }
}

const ZERO = "0".charCodeAt(0);
const LETTER_A = "a".charCodeAt(0);

function marksIn(batch: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = ATTRIBUTES_AT + 40; at + KEY_BYTES <= batch.length; at++) {
    if (!batch.subarray(at, at + KEY_BYTES).every((byte) => byte === MARK)) continue;
    found.push(at);
    at += KEY_BYTES;
  }
  return found;
}
