/**
 * Values, bytes and checks for the tests of this folder. They derive from the declarations, so that a new message is tested
 * without a line of its own, whether it is in the API table or not. Tests only.
 */
import type { Case } from "./declared_testing.ts";
import { Reader, type RecordsRange } from "./reader.ts";
import {
  defaultValue,
  type Field,
  type Fields,
  includes,
  isDefault,
  placeOf,
  string,
  type WireType,
} from "./wire_types.ts";
import { Writer } from "./writer.ts";

/** A decoded struct as a test sees it. */
export type Struct = { readonly [name: string]: unknown };

/** A source of numbers from 0 up to 1 (exclusive). */
export type Random = () => number;

/** Seed of this run. `BARNABAS_SEED` replays an earlier one. */
export function seedOfThisRun(): number {
  const given = Deno.env.get("BARNABAS_SEED");
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}

/** A struct with every field that the version carries, and nothing else. */
export function sampleStruct(fields: Fields, version: number, random: Random): Struct {
  const carried = Object.entries(fields).filter(([, declared]) => placeOf(declared, version) !== "absent");
  return Object.fromEntries(carried.map(([name, declared]) => [name, sampleField(declared, version, random)]));
}

function sampleField(declared: Field, version: number, random: Random): unknown {
  if (includes(declared.nullable, version) && random() < 0.25) return null;
  return sampleType(declared.type, version, random);
}

function sampleType(type: WireType, version: number, random: Random): unknown {
  const integer = (bits: number): number => Math.floor((random() - 0.5) * 2 ** bits);
  switch (type.kind) {
    case "bool":
      return random() < 0.5;
    case "float64":
      return random();
    case "int64":
      return integer(54);
    case "bigInt64":
      return BigInt.asIntN(64, BigInt(integer(54)) * 1021n);
    case "uint16":
      return integer(16) + 2 ** 15;
    case "uint32":
      return integer(32) + 2 ** 31;
    case "uuid":
      return new Reader(randomBytes(16, random)).uuid();
    case "string":
      return random() < 0.1 ? "größer ✓".repeat(20) : "name-".repeat(Math.floor(random() * 16));
    case "bytes":
    case "records":
      return randomBytes(Math.floor(random() * 40), random);
    case "array":
      return Array.from({ length: Math.floor(random() * 3) }, () => sampleType(type.element!, version, random));
    case "struct":
      return sampleStruct(type.fields!, version, random);
    default:
      return integer(Number(type.kind.slice(3)));
  }
}

/** @returns `length` bytes from a source of numbers */
export function randomBytes(length: number, random: Random): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

/** Encodes a body in one piece. */
export function encodeBody({ message, version }: Case, value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer(16);
  message.encode(writer, version, value);
  return writer.toBytes();
}

/** A decoded struct in the form that encoding takes: record ranges become the bytes they point at. */
export function asEncodable(fields: Fields, value: Struct, bytes: Uint8Array): Struct {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { type }]) => [name, asEncodableType(type, value[name], bytes)]),
  );
}

function asEncodableType(type: WireType, value: unknown, bytes: Uint8Array): unknown {
  if (value === null) return null;
  switch (type.kind) {
    case "records": {
      const { start, length } = value as RecordsRange;
      return bytes.subarray(start, start + length);
    }
    case "array":
      return (value as unknown[]).map((element) => asEncodableType(type.element!, element, bytes));
    case "struct":
      return asEncodable(type.fields!, value as Struct, bytes);
    default:
      return value;
  }
}

/** The sample with the defaults of all fields that it leaves out. */
export function withDefaults(fields: Fields, sample: Struct): Struct {
  const complete = (type: WireType, value: unknown): unknown => {
    if (value === null) return null;
    if (type.kind === "array") return (value as unknown[]).map((element) => complete(type.element!, element));
    return type.kind === "struct" ? withDefaults(type.fields!, value as Struct) : value;
  };
  return Object.fromEntries(
    Object.entries(fields).map(([name, declared]) => [
      name,
      name in sample ? complete(declared.type, sample[name]) : withoutRange(defaultValue(declared)),
    ]),
  );
}

/** An empty record set reads as no bytes. */
function withoutRange(value: unknown): unknown {
  return value !== null && typeof value === "object" && "byteLength" in value ? new Uint8Array(0) : value;
}

/**
 * Compares a decoded struct with another implementation's view of the same bytes. That view lacks fields that the version does not
 * carry and tagged fields with their default; it has bytes as base64 and record sets as their size.
 * @returns the first difference, or null
 */
export function difference(fields: Fields, actual: Struct, expected: Struct): string | null {
  const unknown = Object.keys(expected).find((name) => !(name in fields) && name !== "recordsSizeInBytes");
  if (unknown !== undefined) return `${unknown} is not decoded`;
  for (const [name, declared] of Object.entries(fields)) {
    const value = actual[name];
    const found = declared.type.kind === "records" && value !== null && "recordsSizeInBytes" in expected
      ? (value as RecordsRange).length === expected.recordsSizeInBytes
        ? null
        : `record bytes of ${expected.recordsSizeInBytes}`
      : name in expected
      ? typeDifference(declared.type, value, expected[name])
      : isDefault(declared, value)
      ? null
      : `${JSON.stringify(value)} instead of the default`;
    if (found !== null) return `${name}: ${found}`;
  }
  return null;
}

function typeDifference(type: WireType, actual: unknown, expected: unknown): string | null {
  if (actual instanceof Uint8Array) return typeDifference(string, actual.toBase64(), expected);
  if (actual === null || expected === null || (type.kind !== "array" && type.kind !== "struct")) {
    return actual === expected ? null : `${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`;
  }
  if (type.kind === "struct") return difference(type.fields!, actual as Struct, expected as Struct);
  const [some, others] = [actual as unknown[], expected as unknown[]];
  if (some.length !== others.length) return `${some.length} elements instead of ${others.length}`;
  for (const [index, element] of some.entries()) {
    const found = typeDifference(type.element!, element, others[index]);
    if (found !== null) return `[${index}].${found}`;
  }
  return null;
}

/** Number of array elements in a decoded value, at every depth. */
export function elementsIn(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + 1 + elementsIn(element), 0);
  if (value === null || typeof value !== "object") return 0;
  return Object.values(value).reduce((sum: number, inner) => sum + elementsIn(inner), 0);
}

/**
 * Checks what must hold for any bytes: decoding does not throw, reads nothing outside, makes no more elements than there are bytes, and
 * bytes that were not refused can be encoded again.
 * @returns what does not hold, or null
 */
export function violation(
  decode: (reader: Reader) => unknown,
  bytes: Uint8Array,
  encode: (value: unknown) => void = () => {},
): string | null {
  const reader = new Reader(bytes);
  try {
    const value = decode(reader);
    if (reader.position > bytes.byteLength || reader.remaining < 0) return "read beyond the end";
    if (elementsIn(value) > bytes.byteLength) return `${elementsIn(value)} elements out of ${bytes.byteLength} bytes`;
    if (reader.failure === null) encode(value);
    return null;
  } catch (error) {
    return String(error);
  }
}

/** `violation()` of one message. */
export function messageViolation({ message, version }: Case, bytes: Uint8Array): string | null {
  return violation(
    (reader) => message.decode(reader, version),
    bytes,
    (value) => message.encode(new Writer(), version, asEncodable(message.fields, value as Struct, bytes)),
  );
}
