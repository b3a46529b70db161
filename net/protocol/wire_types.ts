/**
 * The vocabulary in which messages are declared: types, fields with their versions, and the TypeScript types derived from
 * them. Plain data without behaviour; decoder.ts and encoder.ts turn it into code. Any isolate.
 *
 * Source: the message definitions' format in Kafka (clients/src/main/resources/common/message/README.md), KIP-482, KIP-893.
 */
import type { RecordsRange } from "./reader.ts";
import { ZERO_UUID } from "./text_cache.ts";
import type { RecordsPayload } from "./writer.ts";

/** Form of a value on the wire. */
export type Kind =
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "bigInt64"
  | "uint16"
  | "uint32"
  | "float64"
  | "bool"
  | "uuid"
  | "string"
  | "bytes"
  | "records"
  | "array"
  | "struct";

/** Key of a property that exists for the compiler only: the type that decoding yields. */
export declare const decodedAs: unique symbol;
/** The same for the type that encoding takes. */
export declare const encodedFrom: unique symbol;

/** A type of the protocol. `D` is what decoding yields, `E` what encoding takes. */
export interface WireType<D = unknown, E = unknown> {
  readonly kind: Kind;
  /** Type of an array's elements. */
  readonly element?: WireType;
  /** Fields of a struct, in wire order. */
  readonly fields?: Fields;
  readonly [decodedAs]?: D;
  readonly [encodedFrom]?: E;
}

/** Fields by name, in wire order. A name is Kafka's with a small first letter. */
export type Fields = { readonly [name: string]: Field };

/** Versions, both ends inclusive. Empty when `max < min`. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** What a field may declare beyond its type and versions. */
export interface FieldOptions {
  /** Value when a version does not carry the field or the writer leaves it out. Without it: 0, "", false or empty. */
  readonly default?: number | string | boolean | null | readonly never[];
  /** Versions in which it may be null. */
  readonly nullable?: string;
  /** Number of the tagged field, in the versions of `taggedVersions` (KIP-482). */
  readonly tag?: number;
  readonly taggedVersions?: string;
  /** Left out silently in versions that cannot carry it. For other fields such a version accepts only the default. */
  readonly ignorable?: boolean;
}

/** One field of a struct. */
export interface Field<T extends WireType = WireType, O extends FieldOptions = FieldOptions> {
  readonly type: T;
  readonly versions: VersionRange;
  readonly nullable: VersionRange;
  readonly tagged: VersionRange;
  readonly options: O;
}

/** What decoding yields for a type, or for the struct of a message. */
export type Infer<T> = T extends WireType<infer D, infer _> ? D : never;

/** What encoding takes for a type. Fields with a stated default and tagged fields may be left out. */
export type Encodable<T> = T extends WireType<infer _, infer E> ? E : never;

type Nullable<O extends FieldOptions> = O extends { nullable: string } ? null : never;
type MayBeOmitted<F> = F extends Field<infer _, infer O>
  ? O extends { default: unknown } | { taggedVersions: string } ? true : false
  : false;

type DecodedField<F> = F extends Field<infer T, infer O> ? Infer<T> | Nullable<O> : never;
type EncodedField<F> = F extends Field<infer T, infer O> ? Encodable<T> | Nullable<O> : never;

/** What decoding a struct yields: every field, whatever the version. */
export type DecodedFields<F extends Fields> = { readonly [N in keyof F]: DecodedField<F[N]> };

/** What encoding a struct takes. */
export type EncodableFields<F extends Fields> =
  & { -readonly [N in keyof F as MayBeOmitted<F[N]> extends true ? never : N]: EncodedField<F[N]> }
  & { -readonly [N in keyof F as MayBeOmitted<F[N]> extends true ? N : never]?: EncodedField<F[N]> };

/** Signed, 1 byte. */
export const int8: WireType<number, number> = { kind: "int8" };
/** Signed, 2 bytes. */
export const int16: WireType<number, number> = { kind: "int16" };
/** Signed, 4 bytes. */
export const int32: WireType<number, number> = { kind: "int32" };
/** A plain number, exact up to 2^53. */
export const int64: WireType<number, number> = { kind: "int64" };
/** 8 bytes that use all 64 bits, for example a hash. */
export const bigInt64: WireType<bigint, bigint> = { kind: "bigInt64" };
/** Unsigned, 2 bytes. */
export const uint16: WireType<number, number> = { kind: "uint16" };
/** Unsigned, 4 bytes. */
export const uint32: WireType<number, number> = { kind: "uint32" };
/** IEEE 754 double. */
export const float64: WireType<number, number> = { kind: "float64" };
/** 1 byte; any value but 0 is true. */
export const bool: WireType<boolean, boolean> = { kind: "bool" };
/** UTF-8 of at most 32767 bytes. */
export const string: WireType<string, string> = { kind: "string" };
/** Opaque bytes, copied when decoded. */
export const bytes: WireType<Uint8Array, Uint8Array> = { kind: "bytes" };
/** 22 base64url characters, as Kafka prints it. */
export const uuid: WireType<string, string> = { kind: "uuid" };
/** Record batches: a range of the request when decoded, a payload to be sent when encoded. Never copied. */
export const records: WireType<RecordsRange, RecordsPayload> = { kind: "records" };

/** Elements of one type, in order. */
export function array<T extends WireType>(element: T): WireType<readonly Infer<T>[], readonly Encodable<T>[]> {
  return { kind: "array", element };
}

/** Fields one after the other. In flexible versions a section of tagged fields follows. */
export function struct<const F extends Fields>(fields: F): WireType<DecodedFields<F>, EncodableFields<F>> {
  return { kind: "struct", fields };
}

/**
 * Declares a field.
 * @param type form on the wire
 * @param versions versions of the message that carry it: "0-3", "4+", "2"
 * @param options default, null, tag
 */
export function field<T extends WireType, const O extends FieldOptions>(
  type: T,
  versions: string,
  options: O = {} as O,
): Field<T, O> {
  return {
    type,
    versions: versionRange(versions),
    nullable: versionRange(options.nullable ?? "none"),
    tagged: versionRange(options.taggedVersions ?? "none"),
    options,
  };
}

/** Highest version number there can be (an int16). */
export const VERSION_MAX = 0x7fff;

/**
 * Reads a range of versions.
 * @param text "0-3", "4+", "2" or "none"
 * @throws SyntaxError when it is none of these
 */
export function versionRange(text: string): VersionRange {
  if (text === "none") return { min: 1, max: 0 };
  const parts = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text);
  if (parts === null) throw new SyntaxError(`Cannot read ${JSON.stringify(text)} as versions`);
  const min = Number(parts[1]);
  if (parts[2] !== undefined) return { min, max: VERSION_MAX };
  return { min, max: parts[3] === undefined ? min : Number(parts[3]) };
}

/** Whether a version is in a range. */
export function includes(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}

/** Where a field is in one version: nowhere, inline, or in the tagged section. */
export function placeOf(declared: Field, version: number): "absent" | "inline" | "tagged" {
  if (!includes(declared.versions, version)) return "absent";
  return includes(declared.tagged, version) ? "tagged" : "inline";
}

/** Tagged fields of a version in the order of KIP-482, by ascending tag. */
export function taggedFields(fields: Fields, version: number): [name: string, declared: Field][] {
  return Object.entries(fields)
    .filter(([, declared]) => placeOf(declared, version) === "tagged")
    .sort(([, a], [, b]) => a.options.tag! - b.options.tag!);
}

/** Value of a field that is absent. Structs and arrays are shared and must not be changed. */
export function defaultValue(declared: Field): unknown {
  const { type, options } = declared;
  if (options.default !== undefined && type.kind !== "records" && type.kind !== "array") return options.default;
  if (options.default === null) return null;
  switch (type.kind) {
    case "bool":
      return false;
    case "bigInt64":
      return 0n;
    case "string":
      return "";
    case "uuid":
      return ZERO_UUID;
    case "array":
      return NO_ELEMENTS;
    case "bytes":
      return NO_BYTES;
    case "records":
      return NO_RECORDS;
    case "struct":
      return Object.fromEntries(Object.entries(type.fields!).map(([name, inner]) => [name, defaultValue(inner)]));
    default:
      return 0;
  }
}

/** Whether a value is the field's default, which is what a version without the field means. */
export function isDefault(declared: Field, value: unknown): boolean {
  if (value === undefined) return true;
  const standing = declared.options.default;
  if (value === null || standing === null) return value === null && standing === null;
  switch (declared.type.kind) {
    case "array":
      return (value as readonly unknown[]).length === 0;
    case "bytes":
    case "records":
      return (value as { byteLength: number }).byteLength === 0;
    case "struct":
      return isDefaultStruct(declared.type.fields!, value as { readonly [name: string]: unknown });
    default:
      return value === defaultValue(declared);
  }
}

/** Called for each partition of a Fetch answer, and therefore makes no list of the fields. */
function isDefaultStruct(fields: Fields, value: { readonly [name: string]: unknown }): boolean {
  for (const name in fields) if (!isDefault(fields[name] as Field, value[name])) return false;
  return true;
}

const NO_ELEMENTS: readonly never[] = [];
const NO_BYTES = new Uint8Array(0);
/** An empty record set, in both directions. */
const NO_RECORDS: RecordsRange & RecordsPayload = { start: 0, length: 0, byteLength: 0 };
