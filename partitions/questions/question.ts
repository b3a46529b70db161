/**
 * A question to a partition on any shard, in one declaration: what is asked, what is answered, and how the owner finds the answer. Both
 * ends of the ring derive the packing of question and answer from it (layout.ts, remote/). Appends and reads are not questions: they are
 * on the hot path and packed by hand. Plain data; shards.
 */
import { assert } from "../../storage/base/assert.ts";
import type { Partition } from "../owned/partition.ts";
import type { Refusal } from "../requests/refusals.ts";
import { answer as answerWords, question as questionWords } from "../shared/messages.ts";
import { type Field, type Fields, Layout } from "./layout.ts";

/** A question: `Ask` is what is asked, `Answer` what is answered. */
export interface Question<Ask extends object, Answer extends object> {
  /** Name in messages and tests. */
  readonly name: string;
  readonly ask: Layout<Ask>;
  readonly answer: Layout<Answer>;
  /** The fields of a refused answer. */
  readonly nothing: Readonly<Answer>;
  /** Finds the answer, on the shard that owns the partition. */
  serve(partition: Partition, ask: Ask): Answered<Answer>;
}

/** A question of any type. */
export type AnyQuestion = Question<object, object>;

/** The owner's answer: a fresh object for each question, so the asker may keep it. */
export type Answered<Answer> = Readonly<Answer> & { readonly refusal: Refusal | null };

/** Receives the answers of a question. */
export interface AnswerWaiter<Ask extends object, Answer extends object> {
  readonly question: Question<Ask, Answer>;
  /** @param tag as given with the question @param answer a fresh object, which may be kept */
  onAnswer(tag: number, answer: Answered<Answer>): void;
}

/** The answer in place of a partition that refuses the question. */
export function refuseAnswer<Answer>({ nothing }: { nothing: Readonly<Answer> }, refusal: Refusal): Answered<Answer> {
  return { ...nothing, refusal };
}

/** Declares a question. questions.ts lists every question. */
export function question<Ask extends object, Answer extends object>(declared: {
  readonly name: string;
  readonly ask: Fields<Ask>;
  readonly answer: Fields<Answer>;
  readonly serve: Question<Ask, Answer>["serve"];
}): Question<Ask, Answer> {
  const nothing = Object.fromEntries(
    Object.entries(declared.answer as Record<string, Field<unknown>>).map(([name, { none }]) => [name, none]),
  );
  const ask = new Layout(declared.ask, questionWords.firstField);
  assert(!ask.hasList, "only an answer has a list");
  return {
    name: declared.name,
    ask,
    answer: new Layout(declared.answer, answerWords.firstField),
    nothing: Object.freeze(nothing) as Answer,
    serve: declared.serve,
  };
}
