/**
 * A question to a partition, wherever it lives, as one declaration: what is asked, what is answered, and how the owner finds the answer.
 * Both ends of the ring derive from it how the question and its answer are packed (layout.ts, remote/). Appends and reads are no
 * questions: they are packed by hand, because they are hot. Plain data; shards.
 */
import { assert } from "../../storage/base/assert.ts";
import type { Partition } from "../owned/partition.ts";
import type { Refusal } from "../requests/refusals.ts";
import { answer as answerWords, question as questionWords } from "../shared/messages.ts";
import { type Field, type Fields, Layout } from "./layout.ts";

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
