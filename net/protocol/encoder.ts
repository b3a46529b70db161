/**
 * Turns a message declaration into an encoder for one version. It is generated source with one function per struct, as in
 * decoder.ts. Runs in any isolate.
 *
 * Must always hold: a field that the value leaves out is written as its default. A value that the version cannot
 * carry throws EncodeError unless the field is ignorable or the value is its default. A tagged field is written only when
 * it differs from its default (KIP-482).
 */
import { EncodedList } from "./encoded_list.ts";
import { type Layout, literal, methodName } from "./decoder.ts";
import { MadeList } from "./made_list.ts";
import {
  defaultValue,
  type Field,
  type Fields,
  includes,
  isDefault,
  placeOf,
  taggedFields,
  type WireType,
} from "./wire_types.ts";
import { EncodeError, type Writer } from "./writer.ts";

/** Writes a value. @throws EncodeError for a value that the version cannot carry */
export type Encode = (writer: Writer, value: unknown) => void;

/**
 * Makes the encoder of a struct.
 * @param fields its declaration
 * @param layout the version
 */
export function compileEncoder(fields: Fields, layout: Layout): Encode {
  const source = new EncoderSource(layout);
  const root = source.structFunction("message", fields);
  const make = new Function(
    "fields",
    "defaults",
    "isDefault",
    "refuse",
    "EncodedList",
    "MadeList",
    `"use strict";\n${source.functions.join("\n")}\nreturn ${root};`,
  );
  const refuse = (path: string, reason: string) => {
    throw new EncodeError(`Cannot write ${path} in version ${layout.version}: ${reason}`);
  };
  return make(source.fields, source.fields.map(defaultValue), isDefault, refuse, EncodedList, MadeList);
}

/** Mark before a struct that may be null. In a tagged field it is a varint (Kafka's message generator). */
const NULL_MARKS = ["w.int8(-1)", "w.int8(1)"] as const;

/** Collects the functions of one encoder. */
class EncoderSource {
  readonly functions: string[] = [];
  /** Declarations that the source refers to, by index. */
  readonly fields: Field[] = [];
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** @returns name of a function (writer, struct) => void */
  structFunction(path: string, fields: Fields): string {
    const lines: string[] = [];
    for (const [name, declared] of Object.entries(fields)) {
      const place = placeOf(declared, this.#layout.version);
      if (place === "inline") lines.push(...this.#inline(`${path}_${name}`, name, declared));
      else if (place === "absent" && declared.options.ignorable !== true) {
        lines.push(this.#absent(path, name, declared));
      }
    }
    if (this.#layout.flexible) lines.push(...this.#tags(path, fields));
    this.functions.push(`function ${path}(w, v) {\n${lines.join("\n")}\n}`);
    return path;
  }

  #inline(path: string, name: string, declared: Field): string[] {
    const lines = [`let _${name} = v.${name};`, `if (_${name} === undefined) _${name} = ${this.#default(declared)};`];
    const nullable = includes(declared.nullable, this.#layout.version);
    if (!nullable && declared.options.nullable !== undefined) {
      lines.push(`if (_${name} === null) refuse(${dotted(path)}, "it cannot be null");`);
    }
    lines.push(this.#write(path, declared.type, { value: `_${name}`, nullable, place: "inline" }));
    return lines;
  }

  #absent(path: string, name: string, declared: Field): string {
    const is = `v.${name} !== undefined && !${this.#isDefault(name, declared)}`;
    return `if (${is}) refuse(${dotted(`${path}_${name}`)}, "this version has no such field");`;
  }

  #tags(path: string, fields: Fields): string[] {
    const tagged = taggedFields(fields, this.#layout.version);
    if (tagged.length === 0) return ["w.unsignedVarint(0);"];
    const lines = tagged.map(([name, declared]) => `const has_${name} = !${this.#isDefault(name, declared)};`);
    lines.push(`w.unsignedVarint(${tagged.map(([name]) => `(has_${name} ? 1 : 0)`).join(" + ")});`);
    for (const [name, declared] of tagged) {
      const nullable = includes(declared.nullable, this.#layout.version);
      const write = this.#write(`${path}_${name}`, declared.type, { value: `v.${name}`, nullable, place: "tagged" });
      lines.push(`if (has_${name}) { const at = w.openTag(${declared.options.tag}); ${write} w.closeTag(at); }`);
    }
    return lines;
  }

  /** @returns statements that write the value of an expression */
  #write(
    path: string,
    type: WireType,
    { value, nullable, place }: { value: string; nullable: boolean; place: "inline" | "tagged" },
  ): string {
    const { flexible } = this.#layout;
    switch (type.kind) {
      case "string":
      case "bytes":
      case "records":
        return `w.${methodName(type.kind, flexible, nullable)}(${value});`;
      case "array": {
        const count = methodName("count", flexible, false);
        const write = `${this.#arrayFunction(path, type.element!)}(w, ${value});`;
        return nullable ? `if (${value} === null) w.${count}(-1); else ${write}` : write;
      }
      case "struct": {
        const write = `${this.structFunction(path, type.fields!)}(w, ${value});`;
        if (!nullable) return write;
        const [none, some] = place === "tagged" ? ["w.unsignedVarint(0)", "w.unsignedVarint(1)"] : NULL_MARKS;
        return `if (${value} === null) ${none}; else { ${some}; ${write} }`;
      }
      default:
        return `w.${isErrorCode(path) ? "errorCode" : type.kind}(${value});`;
    }
  }

  #arrayFunction(path: string, element: WireType): string {
    const name = `${path}$list`;
    const writeCount = `w.${methodName("count", this.#layout.flexible, false)}`;
    this.functions.push([
      `function ${name}(w, list) {`,
      "if (list instanceof EncodedList) {",
      `${writeCount}(list.count);`,
      "w.raw(list.bytes);",
      "w.noteErrors(list.errors);",
      "return;\n}",
      "const count = list.length;",
      "const isMade = list instanceof MadeList;",
      `${writeCount}(count);`,
      "for (let i = 0; i < count; i++) {",
      "const element = isMade ? list.at(i) : list[i];",
      this.#write(path, element, { value: "element", nullable: false, place: "inline" }),
      "}\n}",
    ].join("\n"));
    return name;
  }

  #default(declared: Field): string {
    const value = defaultValue(declared);
    if (typeof value !== "object" || value === null) return literal(value);
    return `defaults[${this.fields.push(declared) - 1}]`;
  }

  /** @returns an expression; scalars are compared in place */
  #isDefault(name: string, declared: Field): string {
    const value = defaultValue(declared);
    if (typeof value === "object" && value !== null) {
      return `isDefault(fields[${this.fields.push(declared) - 1}], v.${name})`;
    }
    return `(v.${name} === undefined || v.${name} === ${literal(value)})`;
  }
}

/**
 * Whether a field is an error code, which is counted. Kafka names it `errorCode`, so declarations need no mark, and none can be forgotten:
 * messages_test.ts lists the fields of similar names, which are not counted.
 */
function isErrorCode(path: string): boolean {
  return path.endsWith("_errorCode");
}

/** "message_topics_name" as a quoted "topics.name". */
function dotted(path: string): string {
  return JSON.stringify(path.split("_").slice(1).join("."));
}
