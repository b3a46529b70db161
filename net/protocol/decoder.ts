/**
 * Turns a message declaration into a decoder for one version. The decoder is generated source with one function per struct:
 * straight-line reads and one constructor, so that V8 sees one shape per struct (plain_constructor.ts). Runs in any isolate.
 *
 * Decoding a Produce v9 request of one partition takes 0.13 µs this way and 1.1 µs by walking the declaration
 * (bench/protocol_bench.ts). Only declarations of this repository reach `new Function`, never bytes of a client.
 *
 * Must always hold: a decoder never throws, whatever the bytes. The reader's failure says that they were refused, and
 * then the value must be discarded.
 */
import { constructorSource, newArray } from "./plain_constructor.ts";
import type { Reader } from "./reader.ts";
import { defaultValue, type Field, type Fields, includes, placeOf, taggedFields, type WireType } from "./wire_types.ts";

/** Version and form of a message. */
export interface Layout {
  readonly version: number;
  /** Compact lengths and tagged fields (KIP-482). */
  readonly flexible: boolean;
}

/** Reads a value. The reader's failure says whether it was refused. */
export type Decode = (reader: Reader) => unknown;

/**
 * Makes the decoder of a struct.
 * @param fields its declaration
 * @param layout the version
 * @param isForLarge whether it is for bodies that may hold very many elements: its arrays get their size at once. Elsewhere an array
 * literal is faster, but V8 comes to allocate all arrays of a literal in its old generation once many survive (plain_constructor.ts)
 */
export function compileDecoder(fields: Fields, layout: Layout, isForLarge = false): Decode {
  const source = new DecoderSource(layout, isForLarge);
  const root = source.structFunction("message", fields);
  const make = new Function("defaults", "newArray", `"use strict";\n${source.functions.join("\n")}\nreturn ${root};`);
  return make(source.defaults, newArray);
}

/**
 * Name of the reader's and writer's method for a type: "compactNullableString".
 * @param kind string, bytes, records or count
 */
export function methodName(kind: string, flexible: boolean, nullable: boolean): string {
  const base = kind === "bytes" ? "bytesValue" : kind;
  const words = `${flexible ? "Compact" : ""}${nullable ? "Nullable" : ""}${base[0]!.toUpperCase()}${base.slice(1)}`;
  return words[0]!.toLowerCase() + words.slice(1);
}

/** A scalar as source. */
export function literal(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : JSON.stringify(value);
}

/** An element of an array is inline: a null struct is marked differently in a tagged field. */
const ELEMENT = { nullable: false, place: "inline" };

/** Collects the functions of one decoder. */
class DecoderSource {
  readonly functions: string[] = [];
  /** Defaults that are objects, by their index in the source. */
  readonly defaults: unknown[] = [];
  readonly #layout: Layout;
  readonly #isForLarge: boolean;

  constructor(layout: Layout, isForLarge: boolean) {
    this.#layout = layout;
    this.#isForLarge = isForLarge;
  }

  /** @returns name of a function (reader) => struct */
  structFunction(path: string, fields: Fields): string {
    const { version, flexible } = this.#layout;
    const lines: string[] = [];
    for (const [name, declared] of Object.entries(fields)) {
      const place = placeOf(declared, version);
      if (place === "inline") lines.push(`const _${name} = ${this.#read(`${path}_${name}`, declared)};`);
      else lines.push(`${place === "tagged" ? "let" : "const"} _${name} = ${this.#default(declared)};`);
    }
    const tagged = taggedFields(fields, version);
    if (flexible) lines.push(...(tagged.length === 0 ? ["r.skipTags();"] : this.#tagLoop(path, tagged)));
    const names = Object.keys(fields);
    const values = names.map((name) => `_${name}`).join(", ");
    this.functions.push(
      constructorSource(`${path}$struct`, names),
      `function ${path}(r) {\n${lines.join("\n")}\nreturn new ${path}$struct(${values});\n}`,
    );
    return path;
  }

  #tagLoop(path: string, tagged: [string, Field][]): string[] {
    const cases = tagged.map(([name, declared]) =>
      `case ${declared.options.tag}: _${name} = ${this.#read(`${path}_${name}`, declared)}; break;`
    );
    return [
      "for (let left = r.tagCount(); left > 0 && r.failure === null; left--) {",
      "const tag = r.unsignedVarint();",
      "const end = r.openTag();",
      `switch (tag) { ${cases.join(" ")} default: r.skip(r.remaining); }`,
      "r.closeTag(end);",
      "}",
    ];
  }

  /** @returns an expression that reads the field */
  #read(path: string, declared: Field): string {
    const nullable = includes(declared.nullable, this.#layout.version);
    return this.#readType(path, declared.type, { nullable, place: placeOf(declared, this.#layout.version) });
  }

  #readType(path: string, type: WireType, { nullable, place }: { nullable: boolean; place: string }): string {
    switch (type.kind) {
      case "string":
      case "bytes":
      case "records":
        return `r.${methodName(type.kind, this.#layout.flexible, nullable)}()`;
      case "array":
        return `${this.#arrayFunction(path, type.element!, nullable)}(r)`;
      case "struct": {
        const read = `${this.structFunction(path, type.fields!)}(r)`;
        return nullable
          ? `(${place === "tagged" ? "r.unsignedVarint() === 0" : "r.int8() < 0"} ? null : ${read})`
          : read;
      }
      default:
        return `r.${type.kind}()`;
    }
  }

  #arrayFunction(path: string, element: WireType, nullable: boolean): string {
    const { flexible } = this.#layout;
    const count = `r.${methodName("count", flexible, nullable)}(${bytesMin(element, this.#layout)})`;
    const name = `${path}$list`;
    const read = this.#readType(path, element, ELEMENT);
    this.functions.push([
      `function ${name}(r) {`,
      `const count = ${count};`,
      nullable ? "if (count < 0) return null;" : "",
      this.#isForLarge ? "const list = newArray(count);" : "const list = [];",
      `for (let i = 0; i < count && r.failure === null; i++) ${
        this.#isForLarge ? `list[i] = ${read}` : `list.push(${read})`
      };`,
      "return list;\n}",
    ].join("\n"));
    return name;
  }

  #default(declared: Field): string {
    const value = defaultValue(declared);
    if (typeof value !== "object" || value === null) return literal(value);
    return `defaults[${this.defaults.push(value) - 1}]`;
  }
}

const FIXED_BYTES: { readonly [kind: string]: number } = {
  int8: 1,
  bool: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  bigInt64: 8,
  float64: 8,
  uuid: 16,
};

/** Fewest bytes of an array element of this type, at least 1. Counts are checked against it. */
export function bytesMin(type: WireType, layout: Layout): number {
  const fixed = FIXED_BYTES[type.kind];
  if (fixed !== undefined) return fixed;
  if (type.kind !== "struct") return layout.flexible ? 1 : type.kind === "string" ? 2 : 4;
  let sum = layout.flexible ? 1 : 0;
  for (const declared of Object.values(type.fields!)) {
    if (placeOf(declared, layout.version) !== "inline") continue;
    const nullableStruct = declared.type.kind === "struct" && includes(declared.nullable, layout.version);
    sum += nullableStruct ? 1 : bytesMin(declared.type, layout);
  }
  return Math.max(1, sum);
}
