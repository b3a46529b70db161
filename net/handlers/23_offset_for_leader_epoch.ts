/**
 * OffsetForLeaderEpoch, API key 23: where a leader epoch ends, so that a client notices a truncated log.
 *
 * v2 current leader epoch (KIP-320), throttle time · v3 replica id · v4 flexible. Unknown epochs answer (-1, -1) (KIP-101, KIP-279).
 */
import { type EpochEndOutcome, type EpochEndWaiter, errorCodeOf, type TopicImage } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type OffsetForLeaderEpochRequest,
  offsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
  offsetForLeaderEpochResponse,
} from "../protocol/messages/23_offset_for_leader_epoch.ts";
import { charge } from "../requests/quota.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { TopicCursor } from "../requests/topic_cursor.ts";

/** The row of OffsetForLeaderEpoch. */
export const offsetForLeaderEpochApi = api({
  key: 23,
  name: "OffsetForLeaderEpoch",
  served: [2, 4],
  request: offsetForLeaderEpochRequest,
  response: offsetForLeaderEpochResponse,
  isReadOnly: true,
  handle: handleOffsetForLeaderEpoch,
});

/** One partition's part of the answer. */
interface Answer {
  errorCode: number;
  partition: number;
  leaderEpoch: number;
  endOffset: number;
}

/** Handles OffsetForLeaderEpoch. */
export function handleOffsetForLeaderEpoch(
  request: OffsetForLeaderEpochRequest,
  exchange: Exchange<OffsetForLeaderEpochResponse>,
  services: ShardServices,
): void {
  new EpochOperation(request, exchange, services).start();
}

class EpochOperation implements EpochEndWaiter, SlicedWork {
  readonly #request: OffsetForLeaderEpochRequest;
  readonly #exchange: Exchange<OffsetForLeaderEpochResponse>;
  readonly #services: ShardServices;
  readonly #answers: Answer[] = [];
  readonly #cursor;
  /** Of the topic that the cursor is at. */
  #topic: TopicImage | undefined;
  #isAllowed = false;
  #unanswered = 1;

  constructor(
    request: OffsetForLeaderEpochRequest,
    exchange: Exchange<OffsetForLeaderEpochResponse>,
    services: ShardServices,
  ) {
    this.#request = request;
    this.#exchange = exchange;
    this.#services = services;
    this.#cursor = new TopicCursor(request.topics, ({ partitions }) => partitions);
  }

  start(): void {
    if (this.#cursor.isAtEnd) this.finish();
    else this.#services.slices.run(this, this.#exchange);
  }

  step(): boolean {
    const { topic: { topic: name }, partition: asked } = this.#cursor;
    if (this.#cursor.isAtTopic) {
      this.#topic = this.#services.image.topic(name);
      this.#isAllowed = authorize(this.#exchange.context, "DESCRIBE", { type: "TOPIC", name });
    }
    const answer: Answer = { errorCode: errorCode.NONE, partition: asked.partition, leaderEpoch: -1, endOffset: -1 };
    const tag = this.#answers.push(answer) - 1;
    const place = this.#topic?.partitions[asked.partition];
    if (!this.#isAllowed) answer.errorCode = errorCode.TOPIC_AUTHORIZATION_FAILED;
    else if (place === undefined) answer.errorCode = errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    else {
      this.#unanswered++;
      this.#services.partitions.epochEnd(place, asked, this, tag);
    }
    return this.#cursor.advance();
  }

  finish(): void {
    this.#answered();
  }

  onEpochEnd(tag: number, outcome: EpochEndOutcome): void {
    const answer = this.#answers[tag] as Answer;
    answer.errorCode = errorCodeOf(outcome.refusal);
    answer.leaderEpoch = outcome.leaderEpoch;
    answer.endOffset = outcome.endOffset;
    this.#answered();
  }

  #answered(): void {
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    let next = 0;
    const topics = this.#request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: this.#answers.slice(next, next += partitions.length),
    }));
    this.#exchange.respond({ throttleTimeMs: charge(this.#exchange.context, "request", 1), topics });
  }
}
