/**
 * The answers of many partitions to one question, as numbers in columns instead of an object for each. Answers wait for the last of
 * them, often for several turns. Objects that live so long are copied by the garbage collector, and take memory until its next full run.
 * Runs on shards.
 */
import type { Question } from "../questions/question.ts";

/** What a question says of its answers. */
type Answers<Answer extends object> = Pick<Question<object, Answer>, "answer" | "nothing">;

/** Arrays of more than 128 KiB lie in V8's space for large objects, where a dead one keeps what it refers to until a full collection. */
const CHUNK = 2048;

/** The answers, by the number of their partition in the request. */
export class AnswerColumns<Answer extends object> {
  readonly #question: Answers<Answer>;
  /** Codes, and the words of answers one after the other, in arrays of CHUNK partitions. */
  readonly #codes: number[][] = [];
  readonly #words: number[][] = [];
  /** Answers with a list, which do not fit into words. */
  readonly #objects: Readonly<Answer>[] = [];
  #hasAnswers = false;

  /** @param count of partitions */
  constructor(question: Answers<Answer>, count: number) {
    this.#question = question;
    const { width, hasList } = question.answer;
    for (let first = 0; first < count; first += CHUNK) {
      const size = Math.min(CHUNK, count - first);
      this.#codes.push(new Array(size).fill(0));
      if (!hasList) this.#words.push(new Array(size * width).fill(0));
    }
  }

  /** Whether any partition answered. */
  get hasAnswers(): boolean {
    return this.#hasAnswers;
  }

  /** Notes that there is no answer of a partition. @param code not 0 */
  refuse(index: number, code: number): void {
    (this.#codes[chunkOf(index)] as number[])[index % CHUNK] = code;
  }

  /** Keeps the answer of a partition. */
  set(index: number, answer: Readonly<Answer>): void {
    const { answer: layout } = this.#question;
    this.#hasAnswers = true;
    if (layout.hasList) this.#objects[index] = answer;
    else layout.writeWords(this.#words[chunkOf(index)] as number[], (index % CHUNK) * layout.width, answer);
  }

  /** The code of a partition, 0 when it answered. */
  codeAt(index: number): number {
    return (this.#codes[chunkOf(index)] as number[])[index % CHUNK] as number;
  }

  /** The answer of a partition, `question.nothing` when there is none. */
  answerAt(index: number): Readonly<Answer> {
    const { answer: layout, nothing } = this.#question;
    if (this.codeAt(index) !== 0) return nothing;
    if (layout.hasList) return this.#objects[index] as Answer;
    return layout.readWords(this.#words[chunkOf(index)] as number[], (index % CHUNK) * layout.width);
  }
}

function chunkOf(index: number): number {
  return Math.floor(index / CHUNK);
}
