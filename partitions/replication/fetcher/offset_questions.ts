/**
 * Questions about a leader's log start and log end, which a follower asks when the leader does not have its offset. Two requests for all that
 * ask at the time: a request names a partition once (ListOffsets). Pure; shards.
 *
 *   collected --> start asked --> end asked --> answered
 *                     '-- refused, or left out --> answered with null
 */
import type { Offset } from "../../../storage/base/units.ts";
import type { FetchPlace } from "../follower_rules.ts";
import type { FollowedReplica } from "./followed_replica.ts";

/** ListOffsets: the log start, and the log end. */
export const EARLIEST = -2;
/** As above. */
export const LATEST = -1;

/** A question. */
export interface OffsetQuestion {
  readonly replica: FollowedReplica;
  readonly place: FetchPlace;
  /** Known after the first answer. */
  start: Offset | null;
}

/** What a request asks. */
export interface AskedOffsets {
  readonly timestamp: typeof EARLIEST | typeof LATEST;
  readonly questions: readonly OffsetQuestion[];
}

/** What the leader says of one partition; null where it refuses. */
export interface OffsetAnswer {
  readonly topicName: string;
  readonly partition: number;
  readonly offset: Offset | null;
}

/** The questions of one leader. */
export class OffsetQuestions {
  #waiting: OffsetQuestion[] = [];
  #asked: OffsetQuestion[] = [];
  #timestamp: AskedOffsets["timestamp"] = EARLIEST;

  /** Whether nothing is to be asked. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#asked.length === 0;
  }

  /** Adds a question, unless it is being asked. */
  add(replica: FollowedReplica, place: FetchPlace): void {
    const isSame = (question: OffsetQuestion) => question.replica === replica && question.place === place;
    if (!this.#waiting.some(isSame) && !this.#asked.some(isSame)) this.#waiting.push({ replica, place, start: null });
  }

  /** Nobody waits for the answers to a replica's questions. */
  delete(replica: FollowedReplica): void {
    this.#waiting = this.#waiting.filter((question) => question.replica !== replica);
    this.#asked = this.#asked.filter((question) => question.replica !== replica);
  }

  /** Drops all questions. */
  clear(): void {
    this.#waiting = [];
    this.#asked = [];
  }

  /** What the next request asks. */
  next(): AskedOffsets {
    if (this.#asked.length === 0) {
      this.#timestamp = EARLIEST;
      [this.#asked, this.#waiting] = [this.#waiting, []];
    } else this.#timestamp = LATEST;
    return { timestamp: this.#timestamp, questions: this.#asked };
  }

  /** The leader has answered. @param done gets each question that has come to its end, with what was learnt, or null */
  answered(
    answers: readonly OffsetAnswer[],
    done: (question: OffsetQuestion, offsets: { start: Offset; end: Offset } | null) => void,
  ): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const question of asked) {
      const { topicName, partition } = question.replica.name;
      const answer = answers.find((each) => each.topicName === topicName && each.partition === partition);
      const offset = answer?.offset ?? null;
      if (offset === null) done(question, null);
      else if (this.#timestamp === LATEST) done(question, { start: question.start ?? offset, end: offset });
      else {
        question.start = offset;
        this.#asked.push(question);
      }
    }
  }
}
