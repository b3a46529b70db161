/**
 * Answers a request that asks partitions one question each. It sends the questions to the shards, waits for all answers, and puts them
 * together in the order of the request. A handler defines the question to a partition, and how an answer becomes part of the response.
 *
 *   gather() ─► topics, one after the other: authorized? known? ─► ask() ─► partition's shard ─► answer
 *      └─ a step for each partition, while the turn has time (slices.ts) ─┘         all answers there ─► respond() ─► part()
 *
 * Always: `respond()` runs once, when every partition that was asked has answered. Parts are in the order in which the request named
 * their partitions, and each is made when it is encoded: answers wait as numbers (answer_columns.ts). Runs on shards.
 */
import {
  AnswerColumns,
  type Answered,
  type AnswerWaiter,
  errorCodeOf,
  type PartitionImage,
  type Question,
  type TopicImage,
} from "../../partitions/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { MadeList } from "../protocol/made_list.ts";
import { newArray, plainConstructor } from "../protocol/plain_constructor.ts";
import { authorize } from "./authorization.ts";
import type { Operation } from "./authorizer.ts";
import type { Exchange, ShardServices } from "./handler.ts";
import { refuseUnled } from "./leadership.ts";
import type { SlicedWork } from "./slices.ts";
import { TopicCursor } from "./topic_cursor.ts";

/** A question to many partitions. `Named` is what the request says of a partition, `Part` what the response says of it. */
export interface Gathering<Named, Ask extends object, Answer extends object, Part> {
  readonly question: Question<Ask, Answer>;
  /** The topics of the request, and what it names of each. */
  readonly topics: readonly NamedTopic<Named>[];
  /** How to treat a partition that is named more than once: ask each time, answer INVALID_REQUEST each time, or use the last one. */
  readonly repeated: "each" | "refused" | "last";
  /** What the client must be allowed to do with each topic; absent when the API's row declares what the request needs. */
  readonly operation?: Operation;
  readonly indexOf: (named: Named) => number;
  /** Error code for the partitions of a known topic that is not asked, otherwise NONE. */
  readonly refuseTopic?: (topic: TopicImage) => number;
  /** The question to a known partition of a topic, the error code with which it is refused, or null: not asked, its code is NONE. */
  readonly ask: (named: Named, topic: string) => Ask | number | null;
  /**
   * The leader epoch that the client knows, -1 for no check, of questions that only the leader answers. Absent where any replica does:
   * then only partitions without a replica on this broker are refused.
   */
  readonly leaderEpochOf?: (named: Named) => number;
  /** Makes the part of the response, each time it is read. @param answer `question.nothing` unless the code is NONE */
  readonly part: (named: Named, code: number, answer: Readonly<Answer>) => Part;
  /**
   * Takes what a partition answered, when that arrives: of a long answer nothing else is kept, so `part` gets NONE and `question.nothing`.
   * Partitions that were not asked are refused by `part` alone. @param answer likewise
   */
  readonly receive?: (from: AskedPartition<Named>, code: number, answer: Readonly<Answer>) => void;
  /**
   * Answers, or asks further questions (`gatherMore()`).
   * @param topics with their parts, in the order of the request @param hasAnswers whether a partition answered with NONE
   */
  readonly respond: (topics: MadeList<GatheredTopic<Part>>, hasAnswers: boolean) => void;
}

/** A topic of a request. */
export interface NamedTopic<Named> {
  readonly name: string;
  readonly partitions: readonly Named[];
}

const Topic = plainConstructor<NamedTopic<unknown>>()("name", "partitions");

/** One for each topic of a request with other names for these, so it is not made by a literal (plain_constructor.ts). */
export function namedTopic<Named>(name: string, partitions: readonly Named[]): NamedTopic<Named> {
  return new Topic(name, partitions) as NamedTopic<Named>;
}

/** A partition that was asked. */
export interface AskedPartition<Named> {
  readonly topic: string;
  readonly named: Named;
}

/** A topic of a response. */
export interface GatheredTopic<Part> {
  readonly name: string;
  readonly partitions: MadeList<Part>;
}

/** The topics as the array of a response that names a topic and its partitions so. Only an encoder may read it. */
export function answeredTopics<Part>(
  topics: MadeList<GatheredTopic<Part>>,
): readonly { readonly name: string; readonly partitions: readonly Part[] }[] {
  return topics.map(({ name, partitions }) => ({ name, partitions: partitions.asArray })).asArray;
}

/** Sends the questions. What does not fit into this turn continues in later turns. */
export function gather<Named, Ask extends object, Answer extends object, Part>(
  gathering: Gathering<Named, Ask, Answer, Part>,
  exchange: Exchange<never>,
  services: ShardServices,
): void {
  new Gather(gathering, exchange, services).start("run");
}

/** Sends further questions of a request whose first ones are answered, from the next turn on. */
export function gatherMore<Named, Ask extends object, Answer extends object, Part>(
  gathering: Gathering<Named, Ask, Answer, Part>,
  exchange: Exchange<never>,
  services: ShardServices,
): void {
  new Gather(gathering, exchange, services).start("resumeLater");
}

class Gather<Named, Ask extends object, Answer extends object, Part> implements AnswerWaiter<Ask, Answer>, SlicedWork {
  readonly question: Question<Ask, Answer>;
  readonly #gathering: Gathering<Named, Ask, Answer, Part>;
  readonly #exchange: Exchange<never>;
  readonly #services: ShardServices;
  readonly #topics: readonly NamedTopic<Named>[];
  readonly #cursor;
  readonly #refused: ReadonlySet<string>;
  /** For each topic, how many partitions stand before it. */
  readonly #before: number[];
  readonly #answers: AnswerColumns<Answer>;
  /** Partitions whose step was taken. */
  #stepsCount = 0;
  /** The topic at the cursor. */
  #topic: TopicImage | undefined;
  #topicCode: number = errorCode.NONE;
  /** Unanswered questions, and one for the steps themselves. */
  #unanswered = 1;

  constructor(gathering: Gathering<Named, Ask, Answer, Part>, exchange: Exchange<never>, services: ShardServices) {
    this.question = gathering.question;
    this.#gathering = gathering;
    this.#exchange = exchange;
    this.#services = services;
    const { topics, repeated } = gathering;
    this.#topics = repeated === "last" ? lastOfEach(topics, gathering.indexOf) : topics;
    this.#refused = repeated === "refused" ? repeatedIn(topics, gathering.indexOf) : new Set();
    this.#cursor = new TopicCursor(this.#topics, ({ partitions }) => partitions);
    this.#before = newArray(this.#topics.length);
    let count = 0;
    for (const [index, { partitions }] of this.#topics.entries()) {
      this.#before[index] = count;
      count += partitions.length;
    }
    this.#answers = new AnswerColumns(gathering.question, count);
  }

  /** @param how the steps are run (slices.ts) */
  start(how: "run" | "resumeLater"): void {
    if (this.#cursor.isAtEnd) this.finish();
    else this.#services.slices[how](this, this.#exchange);
  }

  step(): boolean {
    const { topic: { name }, partition: named } = this.#cursor;
    if (this.#cursor.isAtTopic) this.#beginTopic(name);
    const index = this.#gathering.indexOf(named);
    const place = this.#topic?.partitions[index];
    const tag = this.#stepsCount++;
    if (this.#topicCode !== errorCode.NONE) this.#answers.refuse(tag, this.#topicCode);
    else if (this.#refused.has(keyOf(name, index))) this.#answers.refuse(tag, errorCode.INVALID_REQUEST);
    else if (place === undefined) this.#answers.refuse(tag, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
    else this.#ask(place, named, { topic: name, tag });
    return this.#cursor.advance();
  }

  finish(): void {
    this.#endOne();
  }

  onAnswer(tag: number, answer: Answered<Answer>): void {
    const { refusal } = answer;
    const { receive } = this.#gathering;
    const code = refusal === null ? errorCode.NONE : errorCodeOf(refusal);
    if (receive !== undefined) receive(this.#askedAt(tag), code, refusal === null ? answer : this.question.nothing);
    else if (refusal === null) this.#answers.set(tag, answer);
    else this.#answers.refuse(tag, code);
    this.#endOne();
  }

  /** Begins with the next topic. */
  #beginTopic(name: string): void {
    this.#topic = this.#services.image.topic(name);
    this.#topicCode = this.#refuseTopic(name, this.#topic);
  }

  #refuseTopic(name: string, topic: TopicImage | undefined): number {
    const { operation, refuseTopic } = this.#gathering;
    const isAllowed = operation === undefined || authorize(this.#exchange.context, operation, { type: "TOPIC", name });
    if (!isAllowed) return errorCode.TOPIC_AUTHORIZATION_FAILED;
    return topic === undefined ? errorCode.NONE : refuseTopic?.(topic) ?? errorCode.NONE;
  }

  #ask(place: PartitionImage, named: Named, { topic, tag }: { topic: string; tag: number }): void {
    const ask = this.#gathering.ask(named, topic);
    if (ask === null) return;
    if (typeof ask === "number") return this.#answers.refuse(tag, ask);
    const { leaderEpochOf } = this.#gathering;
    const { nodeId, partitions } = this.#services;
    const code = leaderEpochOf === undefined ? errorCode.NONE : refuseUnled(place, nodeId, leaderEpochOf(named));
    if (code !== errorCode.NONE) return this.#answers.refuse(tag, code);
    this.#unanswered++;
    partitions.ask(place, ask, this, tag);
  }

  /** The partition whose step had this number. */
  #askedAt(tag: number): AskedPartition<Named> {
    let [first, end] = [0, this.#topics.length];
    while (end - first > 1) {
      const middle = (first + end) >> 1;
      if ((this.#before[middle] as number) <= tag) first = middle;
      else end = middle;
    }
    const { name, partitions } = this.#topics[first] as NamedTopic<Named>;
    return { topic: name, named: partitions[tag - (this.#before[first] as number)] as Named };
  }

  #endOne(): void {
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    this.#gathering.respond(
      new MadeList(this.#topics.length, (index) => this.#topicAt(index)),
      this.#answers.hasAnswers,
    );
  }

  #topicAt(index: number): GatheredTopic<Part> {
    const { name, partitions } = this.#topics[index] as NamedTopic<Named>;
    const before = this.#before[index] as number;
    const isReceived = this.#gathering.receive !== undefined;
    const partAt = (at: number) => {
      const tag = before + at;
      const answer = isReceived ? this.question.nothing : this.#answers.answerAt(tag);
      return this.#gathering.part(partitions[at] as Named, this.#answers.codeAt(tag), answer);
    };
    return { name, partitions: new MadeList(partitions.length, partAt) };
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** Partitions that a request names more than once. */
function repeatedIn<Named>(topics: readonly NamedTopic<Named>[], indexOf: (named: Named) => number): Set<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name, partitions } of topics) {
    for (const named of partitions) {
      const key = keyOf(name, indexOf(named));
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
    }
  }
  return repeated;
}

/** Each topic and each partition once, at its first position, with the values of its last one. */
function lastOfEach<Named>(
  topics: readonly NamedTopic<Named>[],
  indexOf: (named: Named) => number,
): NamedTopic<Named>[] {
  const last = new Map<string, Map<number, Named>>();
  for (const { name, partitions } of topics) {
    for (const named of partitions) {
      const ofTopic = last.get(name) ?? new Map<number, Named>();
      last.set(name, ofTopic.set(indexOf(named), named));
    }
  }
  return Array.from(last, ([name, partitions]) => ({ name, partitions: [...partitions.values()] }));
}
