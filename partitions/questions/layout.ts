/**
 * How the fields of a question and of its answer are packed: single values into the words of a ring record, a list into a parcel. Plain
 * data; shards.
 *
 *              int32 words                                                         float64 words
 *   question   0 kind   1 operation   2 slot      3 question   4 … its integers    0 … its numbers up to 2^53
 *   answer     0 kind   1 operation   2 refusal   3 block      4 start   5 length  0 … its numbers up to 2^53
 *              6 … its integers
 *
 * Fields take the following words in the order of their declaration. The list of an answer lies in the arena of the shard that answers
 * (remote/parcels.ts), at the place that block, start and length name. A length of 0 is an empty list.
 *
 *   list       item after item, each field of an item in 8 bytes, as a little-endian float64
 */
import { assert } from "../../storage/base/assert.ts";
import { NO_OFFSET, type Offset, toOffset } from "../../storage/base/units.ts";
import { RECORD_FLOATS, RECORD_INTS, type RingRecord } from "../shared/ring.ts";

/** How a value travels in a word. */
export interface WordField<T> {
  readonly word: "int32" | "float64";
  readonly pack: (value: T) => number;
  readonly unpack: (word: number) => T;
  /** The value in a refused answer. */
  readonly none: T;
}

/** How a list travels. */
export interface ListField<T> {
  readonly word: "parcel";
  readonly pack: (items: T) => Uint8Array;
  /** @param bytes valid during the call */
  readonly unpack: (bytes: Uint8Array) => T;
  readonly none: T;
}

/** How a value travels: in a word, or as a list. */
export type Field<T> = WordField<T> | ListField<T>;

/** Fields by name. */
export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

/** Most bytes of a list; a question whose answer may be longer has to split it. */
export const LIST_BYTES_MAX = 64 * 1024;
const LIST_FIELD_BYTES = 8;
const NO_BYTES = new Uint8Array(0);

const same = (value: number) => value;

/** An integer of 32 bits. */
export const int32: WordField<number> = { word: "int32", pack: same, unpack: same, none: -1 };
/** A number that is exact up to 2^53. */
export const float64: WordField<number> = { word: "float64", pack: same, unpack: same, none: -1 };
/** An offset. */
export const offset: WordField<Offset> = { word: "float64", pack: same, unpack: toOffset, none: NO_OFFSET };
/** True or false. */
export const flag: WordField<boolean> = {
  word: "int32",
  pack: (value) => value ? 1 : 0,
  unpack: (word) => word === 1,
  none: false,
};

/** A list; an answer may have one. @param fields of an item */
export function listOf<Item extends object>(
  fields: { readonly [K in keyof Item]: WordField<Item[K]> },
): ListField<readonly Item[]> {
  const named = Object.entries(fields) as [keyof Item, WordField<unknown>][];
  const itemBytes = named.length * LIST_FIELD_BYTES;
  return {
    word: "parcel",
    none: Object.freeze([]),
    pack: (items) => {
      assert(items.length * itemBytes <= LIST_BYTES_MAX, "the list of an answer keeps its limit");
      const view = new DataView(new ArrayBuffer(items.length * itemBytes));
      let at = 0;
      for (const item of items) {
        for (const [name, field] of named) {
          view.setFloat64(at, field.pack(item[name]), true);
          at += LIST_FIELD_BYTES;
        }
      }
      return new Uint8Array(view.buffer);
    },
    unpack: ({ buffer, byteOffset, byteLength }) => {
      const view = new DataView(buffer, byteOffset, byteLength);
      return Array.from({ length: byteLength / itemBytes }, (_, index) => {
        const words = named.map(([name, field], word) => {
          return [name, field.unpack(view.getFloat64(index * itemBytes + word * LIST_FIELD_BYTES, true))];
        });
        return Object.fromEntries(words) as Item;
      });
    },
  };
}

/** The words of a record that hold the fields of a question or answer. */
export class Layout<T extends object> {
  readonly #names: string[] = [];
  readonly #fields: WordField<never>[] = [];
  /** The word of each field: in the integers, or in the floats. */
  readonly #words: number[] = [];
  #list: { readonly name: string; readonly field: ListField<never> } | null = null;

  /** @param fields in the order of their words @param firstInt the first int32 word that is free */
  constructor(fields: Fields<T>, firstInt: number) {
    let [int, float] = [firstInt, 0];
    for (const [name, field] of Object.entries(fields) as [string, Field<never>][]) {
      if (field.word === "parcel") {
        assert(this.#list === null, "an answer has one list at most");
        this.#list = { name, field };
        continue;
      }
      this.#names.push(name);
      this.#fields.push(field);
      this.#words.push(field.word === "int32" ? int++ : float++);
    }
    assert(int <= RECORD_INTS && float <= RECORD_FLOATS, "the fields of a question fit into a ring record");
  }

  /** Whether a field is a list. */
  get hasList(): boolean {
    return this.#list !== null;
  }

  /** Number of fields that are no list. */
  get width(): number {
    return this.#fields.length;
  }

  /** Writes values, except those of a list, into an array, one after the other. */
  writeWords(words: number[], at: number, values: T): void {
    for (let index = 0; index < this.#fields.length; index++) {
      words[at + index] = (this.#fields[index] as WordField<never>).pack(
        values[this.#names[index] as keyof T] as never,
      );
    }
  }

  /** Reads the values that `writeWords()` wrote. @returns a fresh object, without a list */
  readWords(words: readonly number[], at: number): T {
    const values: Partial<Record<keyof T, unknown>> = {};
    for (let index = 0; index < this.#fields.length; index++) {
      values[this.#names[index] as keyof T] = (this.#fields[index] as WordField<never>).unpack(
        words[at + index] as number,
      );
    }
    return values as T;
  }

  /** Writes values, except those of a list, into a record. */
  write({ ints, int, floats, float }: RingRecord, values: T): void {
    for (const [index, field] of this.#fields.entries()) {
      const packed = field.pack(values[this.#names[index] as keyof T] as never);
      const word = this.#words[index] as number;
      if (field.word === "int32") ints[int + word] = packed;
      else floats[float + word] = packed;
    }
  }

  /** Packs the list. @returns its bytes; none when no field is a list */
  packList(values: T): Uint8Array {
    if (this.#list === null) return NO_BYTES;
    const { name, field } = this.#list;
    return field.pack(values[name as keyof T] as never);
  }

  /** Reads values. @param list its bytes, which are copied @returns a fresh object */
  read({ ints, int, floats, float }: RingRecord, list: Uint8Array = NO_BYTES): T {
    const values: Partial<Record<keyof T, unknown>> = {};
    for (const [index, field] of this.#fields.entries()) {
      const word = this.#words[index] as number;
      const packed = field.word === "int32" ? ints[int + word] : floats[float + word];
      values[this.#names[index] as keyof T] = field.unpack(packed as number);
    }
    if (this.#list !== null) values[this.#list.name as keyof T] = this.#list.field.unpack(list);
    return values as T;
  }
}
