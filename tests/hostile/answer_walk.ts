/**
 * Walks through an answer by its declaration without decoding values: an answer of a million elements takes no memory of the test. It
 * does not use net/protocol/decoder.ts, so that an error there is found. Pure; any isolate. Test code.
 */
import { type Api } from "../../net/protocol/api.ts";
import { type Fields, includes, placeOf, taggedFields, type WireType } from "../../net/protocol/wire_types.ts";

/** What a walk found in an answer. */
export interface WalkedAnswer {
  readonly correlationId: number;
  /** Every different value of a field named errorCode. */
  readonly errorCodes: ReadonlySet<number>;
  /** Array elements at every depth. */
  readonly elementsCount: number;
}

/**
 * Walks through a whole answer.
 * @param bytes frame without its size
 * @throws RangeError when it is too short or too long
 */
export function walkAnswer(bytes: Uint8Array, { api, version }: { api: Api; version: number }): WalkedAnswer {
  return new Walk(bytes, { api, version }).answer();
}

/** ApiVersions, whose answers always have the old header (KIP-511). */
const API_VERSIONS_KEY = 18;

class Walk {
  readonly #view: DataView;
  readonly #api: Api;
  readonly #version: number;
  readonly #isFlexible: boolean;
  readonly #errorCodes = new Set<number>();
  #at = 0;
  #elementsCount = 0;

  constructor(bytes: Uint8Array, { api, version }: { api: Api; version: number }) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#api = api;
    this.#version = version;
    this.#isFlexible = includes(api.response.flexible, version);
  }

  answer(): WalkedAnswer {
    const correlationId = this.#view.getInt32(this.#take(4));
    if (this.#isFlexible && this.#api.key !== API_VERSIONS_KEY) this.#tags({});
    this.#struct(this.#api.response.fields);
    const left = this.#view.byteLength - this.#at;
    if (left !== 0) throw new RangeError(`${left} bytes follow the answer`);
    return { correlationId, errorCodes: this.#errorCodes, elementsCount: this.#elementsCount };
  }

  #struct(fields: Fields): void {
    for (const [name, declared] of Object.entries(fields)) {
      if (placeOf(declared, this.#version) !== "inline") continue;
      if (name === "errorCode") this.#errorCodes.add(this.#view.getInt16(this.#at));
      const isNullableStruct = declared.type.kind === "struct" && includes(declared.nullable, this.#version);
      if (isNullableStruct && this.#view.getInt8(this.#take(1)) === -1) continue;
      this.#value(declared.type);
    }
    if (this.#isFlexible) this.#tags(fields);
  }

  /** Checks that known tagged fields have the length that they state. */
  #tags(fields: Fields): void {
    const known = taggedFields(fields, this.#version);
    for (let left = this.#varint(); left > 0; left--) {
      const tag = this.#varint();
      const end = this.#varint() + this.#at;
      const declared = known.find(([, { options }]) => options.tag === tag)?.[1];
      if (declared === undefined || includes(declared.nullable, this.#version)) this.#take(end - this.#at);
      else this.#value(declared.type);
      if (this.#at !== end) throw new RangeError(`Tagged field ${tag} is longer than it says`);
    }
  }

  #value(type: WireType): void {
    switch (type.kind) {
      case "struct":
        return this.#struct(type.fields!);
      case "array":
        for (let left = this.#count(4); left > 0; left--) {
          this.#elementsCount++;
          this.#value(type.element!);
        }
        return;
      case "string":
        return this.#skip(this.#count(2));
      case "bytes":
      case "records":
        return this.#skip(this.#count(4));
      default:
        this.#take(SIZES[type.kind]);
    }
  }

  /** @returns -1 for null */
  #count(size: 2 | 4): number {
    if (this.#isFlexible) return this.#varint() - 1;
    const at = this.#take(size);
    return size === 2 ? this.#view.getInt16(at) : this.#view.getInt32(at);
  }

  #varint(): number {
    for (let [value, weight] = [0, 1];; weight *= 128) {
      const byte = this.#view.getUint8(this.#take(1));
      value += (byte & 127) * weight;
      if (byte < 128) return value;
    }
  }

  #skip(count: number): void {
    if (count > 0) this.#take(count);
  }

  #take(count: number): number {
    const at = this.#at;
    if (count < 0 || count > this.#view.byteLength - at) {
      throw new RangeError(`Cannot read ${count} bytes at ${at} of an answer of ${this.#view.byteLength}`);
    }
    this.#at += count;
    return at;
  }
}

const SIZES = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  bigInt64: 8,
  float64: 8,
  uuid: 16,
} as const;
