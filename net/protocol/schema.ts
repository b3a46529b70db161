/**
 * Messages as data: one declaration per message, from which its TypeScript type, its decoder and its encoder derive. The
 * codec of a version is made when that version is first used, and kept. Runs in any isolate.
 *
 * Bytes are refused through `reader.failure`. A version outside the declaration throws, because the router compares it with
 * the API table first.
 */
import { compileDecoder, type Decode } from "./decoder.ts";
import { compileEncoder, type Encode } from "./encoder.ts";
import type { Reader } from "./reader.ts";
import {
  type decodedAs,
  type DecodedFields,
  type EncodableFields,
  type encodedFrom,
  type Fields,
  includes,
  type VersionRange,
  versionRange,
  type WireType,
} from "./wire_types.ts";
import type { Writer } from "./writer.ts";

export {
  array,
  bigInt64,
  bool,
  bytes,
  type Encodable,
  field,
  float64,
  includes,
  type Infer,
  int16,
  int32,
  int64,
  int8,
  records,
  string,
  struct,
  uint16,
  uint32,
  uuid,
  type VersionRange,
} from "./wire_types.ts";

/** A larger body may hold very many elements, and has a decoder of its own. */
const LARGE_BYTES_MIN = 16 * 1024;

/** Key and versions of a message. */
export interface MessageOptions {
  readonly apiKey: number;
  /** Versions that this declaration covers: "0-6". */
  readonly versions: string;
  /** First flexible version: "3+", or "none" (KIP-482). */
  readonly flexible: string;
}

/** A request or a response, in all its versions. */
export class Message<D = unknown, E = unknown> implements WireType<D, E> {
  readonly kind = "struct";
  readonly fields: Fields;
  readonly apiKey: number;
  /** Versions that can be decoded and encoded. */
  readonly versions: VersionRange;
  /** Versions with compact lengths and tagged fields. */
  readonly flexible: VersionRange;
  declare readonly [decodedAs]?: D;
  declare readonly [encodedFrom]?: E;
  readonly #decoders: Decode[] = [];
  readonly #largeDecoders: Decode[] = [];
  readonly #encoders: Encode[] = [];

  constructor(options: MessageOptions, fields: Fields) {
    this.apiKey = options.apiKey;
    this.versions = versionRange(options.versions);
    this.flexible = versionRange(options.flexible);
    this.fields = fields;
  }

  /**
   * Decodes a body.
   * @param reader stands at its first byte; when it has a failure afterwards, the value must be discarded
   * @param version one that the declaration covers
   * @throws RangeError for any other version
   */
  decode(reader: Reader, version: number): D {
    if (reader.remaining > LARGE_BYTES_MIN) {
      return (this.#largeDecoders[version] ?? this.#makeLarge(version))(reader) as D;
    }
    return (this.#decoders[version] ?? this.#makeDecoder(version))(reader) as D;
  }

  /**
   * Encodes a body.
   * @param writer receives the bytes
   * @param version one that the declaration covers
   * @param value fields left out take their default
   * @throws EncodeError for a value that the version cannot carry
   * @throws RangeError for a version that the declaration does not cover
   */
  encode(writer: Writer, version: number, value: E): void {
    (this.#encoders[version] ?? this.#makeEncoder(version))(writer, value);
  }

  #makeDecoder(version: number): Decode {
    return this.#decoders[version] = compileDecoder(this.fields, this.#layout(version));
  }

  #makeLarge(version: number): Decode {
    return this.#largeDecoders[version] = compileDecoder(this.fields, this.#layout(version), true);
  }

  #makeEncoder(version: number): Encode {
    return this.#encoders[version] = compileEncoder(this.fields, this.#layout(version));
  }

  #layout(version: number): { version: number; flexible: boolean } {
    if (Number.isInteger(version) && includes(this.versions, version)) {
      return { version, flexible: includes(this.flexible, version) };
    }
    throw new RangeError(`No version ${version} of this message of API key ${this.apiKey}`);
  }
}

/**
 * Declares a message.
 * @param options API key and versions
 * @param fields in wire order
 */
export function message<const F extends Fields>(
  options: MessageOptions,
  fields: F,
): Message<DecodedFields<F>, EncodableFields<F>> {
  return new Message(options, fields);
}
