/**
 * ListOffsets, API key 2: the offset for a timestamp, or for one of the special timestamps (listTimestamp).
 *
 * v1 one offset a partition · v2 isolation level (KIP-98) · v4 leader epochs (KIP-320) · v5 OFFSET_NOT_AVAILABLE (KIP-207) · v6 flexible · v7 max timestamp (KIP-734) ·
 * v8 earliest local (KIP-405) · v9 latest tiered (KIP-1005) · v10 timeout (KIP-1075) · v11 earliest pending upload (KIP-1023).
 *
 * Not done: tiered storage, so the tiered timestamps find nothing (-1) and the timeout, which only remote lookups need, is unused.
 */
import {
  errorCodeOf,
  type ListOffsetOutcome,
  type ListOffsetWaiter,
  listTimestamp,
  type PartitionPlace,
  type TopicImage,
} from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ListOffsetsRequest,
  listOffsetsRequest,
  type ListOffsetsResponse,
  listOffsetsResponse,
} from "../protocol/messages/02_list_offsets.ts";
import { charge } from "../requests/quota.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { TopicCursor } from "../requests/topic_cursor.ts";

/** The row of ListOffsets. */
export const listOffsetsApi = api({
  key: 2,
  name: "ListOffsets",
  served: [1, 11],
  request: listOffsetsRequest,
  response: listOffsetsResponse,
  isReadOnly: true,
  handle: handleListOffsets,
});

/** One partition's part of the answer. */
interface Answer {
  partitionIndex: number;
  errorCode: number;
  offset: number;
  timestamp: number;
  leaderEpoch: number;
}

const READ_COMMITTED = 1;
/** First version whose clients know OFFSET_NOT_AVAILABLE. Both codes make them ask again. */
const OFFSET_NOT_AVAILABLE_VERSION_MIN = 5;

/** The version that brought each special timestamp; one that a version does not know is UNSUPPORTED_VERSION. */
const versionOf: ReadonlyMap<number, number> = new Map([
  [listTimestamp.maxTimestamp, 7],
  [listTimestamp.earliestLocal, 8],
  [listTimestamp.latestTiered, 9],
  [listTimestamp.earliestPendingUpload, 11],
]);

/** Handles ListOffsets. */
export function handleListOffsets(
  request: ListOffsetsRequest,
  exchange: Exchange<ListOffsetsResponse>,
  services: ShardServices,
): void {
  new ListOffsetsOperation(request, exchange, services).start();
}

class ListOffsetsOperation implements ListOffsetWaiter, SlicedWork {
  readonly #request: ListOffsetsRequest;
  readonly #exchange: Exchange<ListOffsetsResponse>;
  readonly #services: ShardServices;
  readonly #answers: Answer[] = [];
  readonly #duplicates: ReadonlySet<string>;
  readonly #cursor;
  /** Of the topic that the cursor is at. */
  #topic: TopicImage | undefined;
  #isAllowed = false;
  #unanswered = 1;

  constructor(request: ListOffsetsRequest, exchange: Exchange<ListOffsetsResponse>, services: ShardServices) {
    this.#request = request;
    this.#exchange = exchange;
    this.#services = services;
    this.#duplicates = duplicatesOf(request);
    this.#cursor = new TopicCursor(request.topics, ({ partitions }) => partitions);
  }

  start(): void {
    if (this.#cursor.isAtEnd) this.finish();
    else this.#services.slices.run(this, this.#exchange);
  }

  step(): boolean {
    const { topic: { name }, partition: asked } = this.#cursor;
    if (this.#cursor.isAtTopic) {
      this.#topic = this.#services.image.topic(name);
      this.#isAllowed = authorize(this.#exchange.context, "DESCRIBE", { type: "TOPIC", name });
    }
    const place = this.#topic?.partitions[asked.partitionIndex];
    if (!this.#isAllowed) this.#refuse(asked.partitionIndex, errorCode.TOPIC_AUTHORIZATION_FAILED);
    else if (this.#duplicates.has(`${name}/${asked.partitionIndex}`)) {
      this.#refuse(asked.partitionIndex, errorCode.INVALID_REQUEST);
    } else if (place === undefined) this.#refuse(asked.partitionIndex, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
    else this.#ask(place, asked);
    return this.#cursor.advance();
  }

  finish(): void {
    this.#answered();
  }

  onListOffset(tag: number, outcome: ListOffsetOutcome): void {
    const answer = this.#answers[tag] as Answer;
    answer.errorCode = errorCodeOf(outcome.refusal);
    const isOld = this.#exchange.apiVersion < OFFSET_NOT_AVAILABLE_VERSION_MIN;
    if (isOld && answer.errorCode === errorCode.OFFSET_NOT_AVAILABLE) answer.errorCode = errorCode.LEADER_NOT_AVAILABLE;
    answer.offset = outcome.offset;
    answer.timestamp = outcome.timestamp;
    answer.leaderEpoch = outcome.leaderEpoch;
    this.#answered();
  }

  #refuse(partitionIndex: number, code: number): void {
    this.#answers.push({ partitionIndex, errorCode: code, timestamp: -1, offset: -1, leaderEpoch: -1 });
  }

  #ask(
    place: PartitionPlace,
    asked: { partitionIndex: number; timestamp: number; currentLeaderEpoch: number },
  ): void {
    const { partitionIndex, timestamp, currentLeaderEpoch } = asked;
    if (this.#exchange.apiVersion < (versionOf.get(timestamp) ?? 0)) {
      return this.#refuse(partitionIndex, errorCode.UNSUPPORTED_VERSION);
    }
    this.#refuse(partitionIndex, errorCode.NONE);
    this.#unanswered++;
    const committedOnly = this.#request.isolationLevel === READ_COMMITTED;
    const query = { timestamp, currentLeaderEpoch, committedOnly };
    this.#services.partitions.listOffset(place, query, this, this.#answers.length - 1);
  }

  #answered(): void {
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    let next = 0;
    const topics = this.#request.topics.map(({ name, partitions }) => ({
      name,
      partitions: this.#answers.slice(next, next += partitions.length),
    }));
    this.#exchange.respond({ throttleTimeMs: charge(this.#exchange.context, "request", 1), topics });
  }
}

/** Partitions that a request names more than once, as `topic/partition`. */
function duplicatesOf({ topics }: ListOffsetsRequest): Set<string> {
  const seen = new Set<string>();
  const duplicates = new Set<string>();
  for (const { name, partitions } of topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${name}/${partitionIndex}`;
      if (seen.has(key)) duplicates.add(key);
      seen.add(key);
    }
  }
  return duplicates;
}
