/**
 * The answers of many partitions to one question, as numbers in columns instead of an object for each. Answers wait for the last of
 * them, often for several turns. Objects that live so long are copied by the garbage collector, and take memory until its next full run.
 * Runs on shards.
 */
import type { Question } from "../questions/question.ts";

/** What a question says of its answers. */
type Answers<Answer extends object> = Pick<Question<object, Answer>, "answer" | "nothing">;

/** The answers, by the number of their partition in the request. */
export class AnswerColumns<Answer extends object> {
  readonly #question: Answers<Answer>;
  readonly #codes: number[];
  /** The words of each answer, one after the other. */
  readonly #words: number[] = [];
  /** Answers with a list, which do not fit into words. */
  readonly #objects: Readonly<Answer>[] = [];
  #hasAnswers = false;

  /** @param count of partitions */
  constructor(question: Answers<Answer>, count: number) {
    this.#question = question;
    const { width, hasList } = question.answer;
    this.#codes = new Array(count).fill(0);
    if (!hasList) this.#words = new Array(count * width).fill(0);
  }

  /** Whether any partition answered. */
  get hasAnswers(): boolean {
    return this.#hasAnswers;
  }

  /** Notes that there is no answer of a partition. @param code not 0 */
  refuse(index: number, code: number): void {
    this.#codes[index] = code;
  }

  /** Keeps the answer of a partition. */
  set(index: number, answer: Readonly<Answer>): void {
    const { answer: layout } = this.#question;
    this.#hasAnswers = true;
    if (layout.hasList) this.#objects[index] = answer;
    else layout.writeWords(this.#words, index * layout.width, answer);
  }

  /** The code of a partition, 0 when it answered. */
  codeAt(index: number): number {
    return this.#codes[index] as number;
  }

  /** The answer of a partition, `question.nothing` when there is none. */
  answerAt(index: number): Readonly<Answer> {
    const { answer: layout, nothing } = this.#question;
    if (this.#codes[index] !== 0) return nothing;
    return layout.hasList ? this.#objects[index] as Answer : layout.readWords(this.#words, index * layout.width);
  }
}
