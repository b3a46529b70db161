/**
 * Requests in which one field repeats until the frame has the wanted size. They are derived from the declarations of all APIs, so that a
 * new API is attacked without a line of test code. Pure; any isolate. Test code.
 */
import { type Api } from "../../net/protocol/api.ts";
import {
  type Field,
  type Fields,
  includes,
  type Kind,
  placeOf,
  taggedFields,
  type WireType,
} from "../../net/protocol/wire_types.ts";
import { wireBatch } from "../../bench/peer/wire_bytes.ts";
import { meaningOf, usualCount, valueOf } from "./field_meanings.ts";
import { FrameBytes, writeNumbered } from "./frame_bytes.ts";
import { BIG_PARTITIONS, NUMBERED_COUNT } from "./victim_topics.ts";

/**
 * What a stretched field holds.
 *   bare      equal elements that have empty arrays
 *   equal     equal elements that name existing things, with one element in each of their arrays
 *   existing  elements that differ and name existing things, as far as there are enough
 *   absent    elements that differ and name things that do not exist
 */
export type Elements = "bare" | "equal" | "existing" | "absent";

/** Name that stands for the section of tagged fields in a path of fields. */
export const TAGS = "(tags)";
/** Before `TAGS`: those of the header. */
export const HEADER = "(header)";

/** One way to stretch a request. */
export interface Stretch {
  readonly api: Api;
  readonly version: number;
  /** Names of the fields that lead to the stretched one, which is the last. */
  readonly target: readonly string[];
  readonly elements: Elements;
}

/** What a frame takes from the broker and from earlier answers. */
export interface FrameContext {
  /** 16 bytes of each topic's id, by name. */
  readonly topicIds: ReadonlyMap<string, Uint8Array>;
  /** Values of fields of the request that come from earlier answers: a member's id, its generation. */
  readonly values?: Readonly<Record<string, number | string>>;
}

/** Every stretch of a request in one version. */
export function stretchesOf(api: Api, version: number): Stretch[] {
  const { fields, flexible } = api.request;
  const found = arraysOf(fields, version, []).flatMap(({ target, hasInner }) => {
    const elements: Elements[] = hasInner ? ["bare", "equal", "existing", "absent"] : ["equal", "existing", "absent"];
    return elements.map((element) => ({ api, version, target, elements: element }));
  });
  if (!includes(flexible, version)) return found;
  const tags = (["equal", "absent"] as const).map((elements) => ({ api, version, target: [TAGS], elements }));
  return [...found, ...tags, { api, version, target: [HEADER, TAGS], elements: "absent" }];
}

/** A stable name: "DescribeConfigs v1 resources equal". */
export function nameOf({ api, version, target, elements }: Stretch): string {
  return `${api.name} v${version} ${target.join(".")} ${elements}`;
}

/** Whether tagged fields are stretched, of the request or of its header, and no array. */
export function isOfTags({ target }: Stretch): boolean {
  return target.at(-1) === TAGS;
}

function arraysOf(fields: Fields, version: number, path: string[]): { target: string[]; hasInner: boolean }[] {
  return Object.entries(fields).flatMap(([name, { type, ...declared }]) => {
    if (placeOf({ type, ...declared }, version) === "absent") return [];
    const target = [...path, name];
    const within = type.kind === "array" ? type.element! : type;
    const inner = within.kind === "struct" ? arraysOf(within.fields!, version, target) : [];
    return type.kind === "array" ? [{ target, hasInner: inner.length > 0 }, ...inner] : inner;
  });
}

/**
 * Builds the frame of a stretch.
 * @param of size of the whole frame in bytes, reached within one element; most elements that it may have
 * @returns the frame with its size prefix; the correlation id is at byte 8
 */
export function stretchedFrame(
  stretch: Stretch,
  of: { bytes: number; elementsMax?: number; context: FrameContext },
): Uint8Array<ArrayBuffer> {
  return new StretchedFrame(stretch, of.context).build({ elementsMax: Infinity, ...of });
}

/** Where in a request something is written. */
interface Place {
  readonly out: FrameBytes;
  readonly path: readonly string[];
  /** Inside the stretched field: what its elements hold. */
  readonly elements: Elements | null;
}

/** Bytes that are left for the rest of a request behind the stretched field. */
const REST_BYTES = 400;
const REST_ELEMENTS = 16;

/** Records that are appended. */
const ONE_RECORD = wireBatch([{ value: new Uint8Array(1) }]);
/** Records that are refused. */
const NO_BATCH = new Uint8Array(4);

class StretchedFrame {
  readonly #stretch: Stretch;
  readonly #context: FrameContext;
  readonly #isFlexible: boolean;
  #bytesWanted = 0;
  #elementsMax = 0;

  constructor(stretch: Stretch, context: FrameContext) {
    this.#stretch = stretch;
    this.#context = context;
    this.#isFlexible = includes(stretch.api.request.flexible, stretch.version);
  }

  build({ bytes, elementsMax }: { bytes: number; elementsMax: number }): Uint8Array<ArrayBuffer> {
    const { api, version, target } = this.#stretch;
    [this.#bytesWanted, this.#elementsMax] = [bytes, elementsMax];
    const out = new FrameBytes();
    out.integer(0, 4);
    out.integer(api.key, 2);
    out.integer(version, 2);
    out.integer(1, 4);
    out.count(-1, { size: 2, isCompact: false }); // client id
    if (this.#isFlexible && target[0] === HEADER) this.#manyTags(out);
    else if (this.#isFlexible) out.unsignedVarint(0);
    this.#struct(api.request.fields, { out, path: [], elements: null });
    out.patch(0, out.length - 4);
    return out.bytes;
  }

  #struct(fields: Fields, place: Place): void {
    const { version, target } = this.#stretch;
    for (const [name, declared] of Object.entries(fields)) {
      if (placeOf(declared, version) !== "inline") continue;
      this.#field(declared, { ...place, path: [...place.path, name] });
    }
    if (!this.#isFlexible) return;
    if (target[0] === TAGS && place.path.length === 0) return this.#manyTags(place.out);
    const tagged = taggedFields(fields, version).filter(([name]) => target[place.path.length] === name);
    place.out.unsignedVarint(tagged.length);
    for (const [name, declared] of tagged) {
      const out = new FrameBytes();
      this.#field(declared, { out, path: [...place.path, name], elements: place.elements });
      place.out.unsignedVarint(declared.options.tag!);
      place.out.unsignedVarint(out.length);
      place.out.raw(out.bytes);
    }
  }

  #field(declared: Field, place: Place): void {
    const { type } = declared;
    const mayBeNull = includes(declared.nullable, this.#stretch.version);
    if (type.kind === "array") return this.#array(type.element!, { ...place, mayBeNull });
    if (type.kind === "struct" && mayBeNull) return place.out.integer(-1, 1);
    this.#value(type, { ...place, mayBeNull });
  }

  #array(element: WireType, place: Place & { mayBeNull: boolean }): void {
    const { target } = this.#stretch;
    const isOnTheWay = place.elements === null && place.path.every((name, depth) => target[depth] === name);
    if (isOnTheWay && place.path.length === target.length) return this.#stretched(element, place);
    const usual = isOnTheWay ? 1 : usualCount([this.#stretch.api.name, ...place.path]);
    let count = usual === -1 && !place.mayBeNull ? 0 : usual;
    if (place.elements === "bare") count = Math.min(count, 0);
    place.out.count(count, { size: 4, isCompact: this.#isFlexible });
    if (count === 1) this.#value(element, { ...place, mayBeNull: false });
  }

  #stretched(element: WireType, place: Place): void {
    const { out, path } = place;
    const one = new FrameBytes();
    this.#value(element, { out: one, path, elements: this.#stretch.elements, mayBeNull: false });
    one.elements++;
    const count = this.#timesFor(one, out);
    out.count(count, { size: 4, isCompact: this.#isFlexible });
    out.repeat(one, count);
  }

  /** Unknown tagged fields of a byte each. */
  #manyTags(out: FrameBytes): void {
    const [firstTag, tagBytes] = [2 ** 21, 4];
    const one = new FrameBytes();
    if (this.#stretch.elements === "equal") one.unsignedVarint(firstTag);
    else {
      one.differing(tagBytes, (bytes, at, repetition) => {
        let rest = firstTag + repetition;
        for (let index = 0; index < tagBytes; index++, rest >>>= 7) {
          bytes[at + index] = (rest & 127) | (index < tagBytes - 1 ? 128 : 0);
        }
      });
    }
    one.unsignedVarint(1);
    one.integer(0, 1);
    one.elements++;
    const count = this.#timesFor(one, out);
    out.unsignedVarint(count);
    out.repeat(one, count);
  }

  /** How often an element is repeated. */
  #timesFor(one: FrameBytes, out: FrameBytes): number {
    const byBytes = Math.floor((this.#bytesWanted - out.length - REST_BYTES) / one.length);
    const byElements = Math.floor((this.#elementsMax - out.elements - REST_ELEMENTS) / one.elements);
    return Math.max(1, Math.min(byBytes, byElements));
  }

  #value(type: WireType, place: Place & { mayBeNull: boolean }): void {
    const { out } = place;
    switch (type.kind) {
      case "struct":
        return this.#struct(type.fields!, place);
      case "uuid":
        return this.#topicId(place);
      case "string":
        return this.#string(place);
      case "records":
        return this.#bytes(place.elements === "existing" ? ONE_RECORD : NO_BATCH, out);
      case "bytes":
        return this.#bytes(NO_BATCH, out);
      case "array":
        throw new Error(`Arrays of arrays are not known to this test: ${place.path.join(".")}`);
      default:
        this.#number(type.kind, place);
    }
  }

  #bytes(bytes: Uint8Array, out: FrameBytes): void {
    out.count(bytes.length, { size: 4, isCompact: this.#isFlexible });
    out.raw(bytes);
  }

  #number(kind: Kind, { out, path, elements }: Place): void {
    const size = sizeOf(kind);
    const named = this.#valueOf(path);
    const isPartition = meaningOf([this.#stretch.api.name, ...path]) === "partition";
    if (isPartition && size === 4 && (elements === "existing" || elements === "absent")) {
      const partitionOf = (repetition: number) =>
        elements === "existing" ? repetition % BIG_PARTITIONS : 1_000_000 + repetition;
      return out.differing(4, (bytes, at, repetition) => {
        const partition = partitionOf(repetition);
        for (let index = 0; index < 4; index++) bytes[at + index] = partition >>> (24 - 8 * index);
      });
    }
    out.integer(Number(named ?? 0), size);
  }

  #string({ out, path, elements, mayBeNull }: Place & { mayBeNull: boolean }): void {
    const given = this.#valueOf(path);
    const meaning = meaningOf([this.#stretch.api.name, ...path]);
    if (given === undefined && meaning !== undefined && (elements === "existing" || elements === "absent")) {
      out.count(8, { size: 2, isCompact: this.#isFlexible });
      return out.differing(8, (bytes, at, repetition) => {
        // An element that names a partition, too, has to name the topic that has it.
        const exists = elements === "existing" && meaning !== "text";
        const index = exists ? repetition % NUMBERED_COUNT : repetition;
        writeNumbered(bytes, at, { letter: exists ? "e" : "x", index });
      });
    }
    const value = given ?? (meaning === undefined ? (mayBeNull ? null : "") : this.#usualName(meaning));
    const bytes = value === null ? null : new TextEncoder().encode(String(value));
    out.count(bytes === null ? -1 : bytes.length, { size: 2, isCompact: this.#isFlexible });
    if (bytes !== null) out.raw(bytes);
  }

  /** The topic of stretched partitions has many partitions; other names are short, so that more fit. */
  #usualName(meaning: string): string {
    switch (meaning) {
      case "topic":
        return this.#topicName();
      case "group":
        return "e0000000";
      default:
        return "retention.ms";
    }
  }

  #topicName(): string {
    const { api, target } = this.#stretch;
    if (api.name === "DeleteTopics") return "x";
    return target.length > 1 ? "big" : "t";
  }

  #topicId({ out, path, elements }: Place): void {
    const { topicIds } = this.#context;
    const isNamedToo = "name" in this.#siblings(path);
    if (isNamedToo || meaningOf([this.#stretch.api.name, ...path]) !== "topicId") return out.raw(new Uint8Array(16));
    if (elements === "existing") {
      const ids = Array.from(topicIds).filter(([name]) => name.startsWith("e")).map(([, id]) => id);
      return out.differing(16, (bytes, at, repetition) => bytes.set(ids[repetition % ids.length]!, at));
    }
    if (elements === "absent") {
      return out.differing(16, (bytes, at, repetition) => writeNumbered(bytes, at, { letter: "x", index: repetition }));
    }
    out.raw(topicIds.get(this.#topicName()) ?? new Uint8Array(16));
  }

  /** The other fields of this version beside the one at the path. */
  #siblings(path: readonly string[]): Record<string, Field> {
    let fields = this.#stretch.api.request.fields;
    for (const name of path.slice(0, -1)) {
      const { type } = fields[name]!;
      fields = (type.kind === "array" ? type.element! : type).fields!;
    }
    const { version } = this.#stretch;
    return Object.fromEntries(Object.entries(fields).filter(([, field]) => placeOf(field, version) !== "absent"));
  }

  #valueOf(path: readonly string[]): number | string | boolean | null | undefined {
    const given = this.#context.values?.[path.join(".")];
    if (given !== undefined) return given;
    return valueOf([this.#stretch.api.name, ...path]);
  }
}

function sizeOf(kind: Kind): 1 | 2 | 4 | 8 {
  switch (kind) {
    case "bool":
    case "int8":
      return 1;
    case "int16":
    case "uint16":
      return 2;
    case "int32":
    case "uint32":
      return 4;
    default:
      return 8;
  }
}
