/**
 * Regular expressions over topic names, in the syntax of RE2 as in Kafka: linear in the length of a name whatever the expression. Pure
 * but for the clock that is passed in; runs on shards.
 *
 * Linear is not always quick: most expressions take 2 to 20 µs per name, but one with hundreds of states over names made to match
 * takes 5 ms (re2js 2.10, /(a|b)*a(a|b){200}/ over 249 letters), a minute for 10,000 topics. So matching is a job that runs in
 * slices of bounded time: mostly the first one, in the step that needs it, is enough.
 *
 * Source: Kafka's TopicRegexResolver; KIP-848.
 */
import defer * as re2js from "npm:re2js@2.10.0"; // run when the first expression comes

/** Longest expression. Kafka has no limit but the request's; parsing this much takes 30 ms at most. */
export const TOPIC_REGEX_LENGTH_MAX = 32_768;

/** @returns why an expression is none, null when it is one */
export function topicRegexProblem(expression: string): string | null {
  if (expression.length > TOPIC_REGEX_LENGTH_MAX) return `longer than ${TOPIC_REGEX_LENGTH_MAX} characters`;
  try {
    re2js.RE2JS.compile(expression);
    return null;
  } catch (problem) {
    return problem instanceof re2js.RE2JSSyntaxException ? problem.getDescription() : "it is not understood";
  }
}

/** Finds the topics of some expressions, a slice of time at a time. */
export class TopicRegexJob {
  /** Names that the job decides on; what was found before of others still holds. null: it decides on all. */
  readonly scope: ReadonlySet<string> | null;
  /** Matching names by expression; complete when `run()` said so. */
  readonly found: ReadonlyMap<string, string[]>;
  readonly #names: readonly string[];
  /** Expressions that are left, the one in work last. */
  readonly #left: string[];
  /** The one in work; null before it is compiled. */
  #pattern: re2js.RE2JS | null = null;
  #next = 0;

  /**
   * @param expressions those that do not compile, of another Kafka's record, match nothing
   * @param names of existing topics @param scope names that the job decides on, null for all
   */
  constructor(expressions: Iterable<string>, names: readonly string[], scope: ReadonlySet<string> | null) {
    this.#names = names;
    this.scope = scope;
    this.#left = [...expressions];
    this.found = new Map(this.#left.map((expression) => [expression, []]));
  }

  /** Goes on until all is done or the time is over; one name with one expression is done whole. @returns whether all is done */
  run(untilMs: number, nowMs: () => number): boolean {
    for (let expression = this.#left.at(-1); expression !== undefined; expression = this.#left.at(-1)) {
      const found = this.found.get(expression)!;
      this.#pattern ??= compile(expression);
      while (this.#pattern !== null && this.#next < this.#names.length) {
        const name = this.#names[this.#next++]!;
        if (this.#pattern.matches(name)) found.push(name);
        if (nowMs() >= untilMs) return this.#left.length === 1 && this.#next === this.#names.length;
      }
      this.#left.pop();
      this.#pattern = null;
      this.#next = 0;
    }
    return true;
  }
}

function compile(expression: string): re2js.RE2JS | null {
  try {
    return re2js.RE2JS.compile(expression);
  } catch {
    return null;
  }
}
