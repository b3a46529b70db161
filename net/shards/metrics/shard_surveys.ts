/**
 * Asks the shards for what the metrics say of them, part by part. However many ask, and however often, the shards answer at most once a
 * second, and spend at most a twentieth of their time on it: who asks sooner gets the last answers. Main isolate.
 */
import type { SurveyedGroups } from "../../../partitions/mod.ts";
import type { ToShard } from "../shard_messages.ts";
import { LOG_WORDS, type ShardNumbers, type SurveyedApi, type SurveyPart } from "./shard_survey.ts";

/** Time from the end of a survey to the next one. */
const PAUSE_MS_MIN = 1000;
/** The pause is so many times as long as the survey took. */
const PAUSE_FACTOR = 20;
/** A shard that does not answer for so long has said what it said last. */
const ANSWER_MS_MAX = 5000;

/** A log. */
export interface SurveyedLog {
  /** Bytes of its `.log` files. */
  readonly bytes: number;
  readonly segments: number;
}

/** What one shard has said. */
export interface ShardSurvey {
  readonly shard: number;
  readonly numbers: ShardNumbers;
  /** The APIs of the broker. */
  readonly apis: readonly SurveyedApi[];
  /** By row in the watermark table. */
  readonly logs: ReadonlyMap<number, SurveyedLog>;
  readonly groups: SurveyedGroups;
}

/** How the shards are asked. */
export interface ShardSurveysParts {
  readonly shardsCount: number;
  readonly post: (shard: number, message: ToShard) => void;
  /** Monotonic time in ms. */
  readonly nowMs: () => number;
  /** Calls back after a time. @returns ends that; `setTimeout` by default */
  readonly after?: (ms: number, call: () => void) => () => void;
}

/** The surveys of a pool of shards. */
export class ShardSurveys {
  readonly #parts: ShardSurveysParts;
  /** By the number of the question; null: nobody answers it any more. */
  readonly #waiting = new Map<number, (part: SurveyPart | null) => void>();
  /** By shard, what it said last. Counts would fall without a shard that is silent for a while. */
  readonly #lastOf = new Map<number, ShardSurvey>();
  #nextId = 1;
  #last: Promise<readonly ShardSurvey[]> = Promise.resolve([]);
  #nextMs = -Infinity;
  #isUnderWay = false;
  #hasStopped = false;

  /** @param parts the way to the shards */
  constructor(parts: ShardSurveysParts) {
    this.#parts = parts;
  }

  /** The latest answers; the shards are asked if it is time for that. Shards that have never answered are missing. */
  take(): Promise<readonly ShardSurvey[]> {
    if (this.#isUnderWay || this.#parts.nowMs() < this.#nextMs) return this.#last;
    this.#isUnderWay = true;
    const beganMs = this.#parts.nowMs();
    return this.#last = this.#askAll().finally(() => {
      const nowMs = this.#parts.nowMs();
      this.#isUnderWay = false;
      this.#nextMs = nowMs + Math.max(PAUSE_MS_MIN, PAUSE_FACTOR * (nowMs - beganMs));
    });
  }

  /** A part of an answer has arrived. */
  receive(id: number, part: SurveyPart): void {
    this.#waiting.get(id)?.(part);
  }

  /** No shard answers any more: who waits has what they said last. */
  stop(): void {
    this.#hasStopped = true;
    for (const answer of [...this.#waiting.values()]) answer(null);
  }

  async #askAll(): Promise<readonly ShardSurvey[]> {
    const shards = Array.from({ length: this.#parts.shardsCount }, async (_, shard) => {
      const survey = await this.#ask(shard);
      if (survey !== null) this.#lastOf.set(shard, survey);
      return this.#lastOf.get(shard);
    });
    return (await Promise.all(shards)).filter((survey) => survey !== undefined);
  }

  async #ask(shard: number): Promise<ShardSurvey | null> {
    const logs = new Map<number, SurveyedLog>();
    let first: SurveyPart | null = null;
    for (;;) {
      const part = await this.#askPart(shard, first === null);
      if (part === null) return null;
      first ??= part;
      addLogs(logs, part.logs);
      if (part.groups === null) continue;
      const { numbers, apis } = first;
      return numbers === null ? null : { shard, numbers, apis, logs, groups: part.groups };
    }
  }

  #askPart(shard: number, isFirst: boolean): Promise<SurveyPart | null> {
    if (this.#hasStopped) return Promise.resolve(null);
    const { post, after = timeout } = this.#parts;
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const answer = (part: SurveyPart | null) => {
        end();
        this.#waiting.delete(id);
        resolve(part);
      };
      const end = after(ANSWER_MS_MAX, () => answer(null));
      this.#waiting.set(id, answer);
      post(shard, { type: "survey", id, isFirst });
    });
  }
}

function addLogs(logs: Map<number, SurveyedLog>, words: Float64Array): void {
  for (let at = 0; at < words.length; at += LOG_WORDS) {
    logs.set(words[at] as number, { bytes: words[at + 1] as number, segments: words[at + 2] as number });
  }
}

function timeout(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, ms);
  Deno.unrefTimer(timer);
  return () => clearTimeout(timer);
}
