/**
 * A question to a partition, wherever it lives, as one declaration: what is asked, what is answered, and how the owner finds the answer.
 * Both ends of the ring derive from it how the question and its answer are packed (remote/remote_questions.ts). Appends and reads are no
 * questions: they are packed by hand, because they are hot. Plain data; shards.
 *
 *              int32 words                                                         float64 words
 *   question   0 kind   1 operation   2 slot      3 question   4 … its integers    0 … its numbers up to 2^53
 *   answer     0 kind   1 operation   2 refusal   3 … its integers                 0 … its numbers up to 2^53
 *
 * The fields of a question, and of an answer, take the words behind these in the order of their declaration.
 */
import { assert } from "../../storage/base/assert.ts";
import { NO_OFFSET, type Offset, toOffset } from "../../storage/base/units.ts";
import type { Partition } from "../owned/partition.ts";
import type { Refusal } from "../requests/refusals.ts";
import { answer as answerWords, question as questionWords } from "../shared/messages.ts";
import { RECORD_FLOATS, RECORD_INTS, type RingRecord } from "../shared/ring.ts";

/** How a value travels. */
export interface Field<T> {
  readonly word: "int32" | "float64";
  readonly pack: (value: T) => number;
  readonly unpack: (word: number) => T;
  /** What an answer says that is refused. */
  readonly none: T;
}

const same = (value: number) => value;

/** An integer of 32 bits. */
export const int32: Field<number> = { word: "int32", pack: same, unpack: same, none: -1 };
/** A number that is exact up to 2^53. */
export const float64: Field<number> = { word: "float64", pack: same, unpack: same, none: -1 };
/** An offset. */
export const offset: Field<Offset> = { word: "float64", pack: same, unpack: toOffset, none: NO_OFFSET };
/** True or false. */
export const flag: Field<boolean> = {
  word: "int32",
  pack: (value) => value ? 1 : 0,
  unpack: (word) => word === 1,
  none: false,
};

/** Fields by name. */
export type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

/** A question: `Ask` is what is asked, `Answer` what is answered. */
export interface Question<Ask extends object, Answer extends object> {
  /** For messages and tests. */
  readonly name: string;
  readonly ask: Layout<Ask>;
  readonly answer: Layout<Answer>;
  /** What stands in the place of an answer that is refused. */
  readonly nothing: Readonly<Answer>;
  /** Finds the answer, on the shard that owns the partition. */
  serve(partition: Partition, ask: Ask): Answered<Answer>;
}

/** A question of which one knows no more than that it is one. */
export type AnyQuestion = Question<object, object>;

/** What the owner says: fresh for each question, so that whoever asked may keep it. */
export type Answered<Answer> = Readonly<Answer> & { readonly refusal: Refusal | null };

/** Who asks. */
export interface AnswerWaiter<Ask extends object, Answer extends object> {
  readonly question: Question<Ask, Answer>;
  /** @param tag as given with the question @param answer fresh: it may be kept */
  onAnswer(tag: number, answer: Answered<Answer>): void;
}

/** Where fields lie in a ring record. */
export class Layout<T extends object> {
  readonly #names: string[];
  readonly #fields: Field<never>[];
  /** The word of each field: in the integers, or in the floats. */
  readonly #words: number[] = [];

  /** @param fields in the order of their words @param firstInt the first int32 word that is free */
  constructor(fields: Fields<T>, firstInt: number) {
    this.#names = Object.keys(fields);
    this.#fields = Object.values(fields);
    let [int, float] = [firstInt, 0];
    for (const { word } of this.#fields) this.#words.push(word === "int32" ? int++ : float++);
    assert(int <= RECORD_INTS && float <= RECORD_FLOATS, "the fields of a question fit into a ring record");
  }

  /** Writes values into a record. */
  write({ ints, int, floats, float }: RingRecord, values: T): void {
    for (const [index, field] of this.#fields.entries()) {
      const packed = field.pack(values[this.#names[index] as keyof T] as never);
      const word = this.#words[index] as number;
      if (field.word === "int32") ints[int + word] = packed;
      else floats[float + word] = packed;
    }
  }

  /** Reads the values of a record. @returns a fresh object */
  read({ ints, int, floats, float }: RingRecord): T {
    const values: Partial<Record<keyof T, unknown>> = {};
    for (const [index, field] of this.#fields.entries()) {
      const word = this.#words[index] as number;
      const packed = field.word === "int32" ? ints[int + word] : floats[float + word];
      values[this.#names[index] as keyof T] = field.unpack(packed as number);
    }
    return values as T;
  }
}

/** What a partition that cannot be asked says. */
export function refuseAnswer<Answer>({ nothing }: { nothing: Readonly<Answer> }, refusal: Refusal): Answered<Answer> {
  return { ...nothing, refusal };
}

/** Declares a question. Its file stands in the list of questions.ts. */
export function question<Ask extends object, Answer extends object>(declared: {
  readonly name: string;
  readonly ask: Fields<Ask>;
  readonly answer: Fields<Answer>;
  readonly serve: Question<Ask, Answer>["serve"];
}): Question<Ask, Answer> {
  const nothing = Object.fromEntries(
    Object.entries(declared.answer as Record<string, Field<unknown>>).map(([name, { none }]) => [name, none]),
  );
  return {
    name: declared.name,
    ask: new Layout(declared.ask, questionWords.firstField),
    answer: new Layout(declared.answer, answerWords.firstField),
    nothing: Object.freeze(nothing) as Answer,
    serve: declared.serve,
  };
}
