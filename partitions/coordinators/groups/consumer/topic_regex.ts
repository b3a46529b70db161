/**
 * Regular expressions over topic names, in the syntax of RE2 as in Kafka. Their time is linear in the length of a name for every
 * expression. Pure except for the clock that is passed in; runs on shards.
 *
 * Linear time can still be long. Most expressions take 2 to 20 µs per name. One with hundreds of states, over names that are made to
 * match, takes 5 ms (re2js 2.10, /(a|b)*a(a|b){200}/ over 249 letters), which is a minute for 10,000 topics. So matching is a job that
 * runs in slices of bounded time. The first slice, in the step that needs it, is mostly enough.
 *
 * Source: Kafka's TopicRegexResolver; KIP-848.
 */
import defer * as re2js from "npm:re2js@2.10.0"; // evaluated at the first expression

/** Longest expression, characters. Kafka's only limit is that of the request. Parsing this many takes at most 30 ms. */
export const TOPIC_REGEX_LENGTH_MAX = 32_768;

/** @returns what is wrong with an expression, null if it is valid */
export function topicRegexProblem(expression: string): string | null {
  if (expression.length > TOPIC_REGEX_LENGTH_MAX) return `longer than ${TOPIC_REGEX_LENGTH_MAX} characters`;
  try {
    re2js.RE2JS.compile(expression);
    return null;
  } catch (problem) {
    return problem instanceof re2js.RE2JSSyntaxException ? problem.getDescription() : "it is not understood";
  }
}

/** Finds the topics that some expressions match, in slices of time. */
export class TopicRegexJob {
  /** Names that the job matches; earlier results for other names stay valid. null for all names. */
  readonly scope: ReadonlySet<string> | null;
  /** Matching names by expression. Complete when `run()` returned true. */
  readonly found: ReadonlyMap<string, string[]>;
  readonly #names: readonly string[];
  /** Expressions that are not done yet. The last is the current one. */
  readonly #left: string[];
  /** The current expression, null before it is compiled. */
  #pattern: re2js.RE2JS | null = null;
  #next = 0;

  /**
   * @param expressions those that do not compile (from a record of another Kafka) match nothing
   * @param names of existing topics @param scope names that the job matches, null for all
   */
  constructor(expressions: Iterable<string>, names: readonly string[], scope: ReadonlySet<string> | null) {
    this.#names = names;
    this.scope = scope;
    this.#left = [...expressions];
    this.found = new Map(this.#left.map((expression) => [expression, []]));
  }

  /** Continues until all is done or the time has passed; it completes at least one name. @returns whether all is done */
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
