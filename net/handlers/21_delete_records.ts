/**
 * DeleteRecords, API key 21 (KIP-107): moves the log start of partitions, so that records below it are gone for everybody.
 *
 * v0 · v2 flexible. Offset -1 is the high watermark; one at or below the log start changes nothing. Refused: an offset above the high
 * watermark (OFFSET_OUT_OF_RANGE), internal topics (INVALID_TOPIC_EXCEPTION), topics that are compacted and nothing else
 * (POLICY_VIOLATION).
 *
 * The answer comes when `log-start-offset-checkpoint` is durable, so that no crash brings deleted records back (Kafka writes that
 * file once a minute, and an unclean stop may undo what it answered since). The disk space follows: segments that lie wholly below
 * the log start are renamed at once and removed after `file.delete.delay.ms`.
 *
 * Not done: the timeout, which is for replicas that are slow to follow.
 */
import { hasCleanupPolicy } from "../../partitions/config/topics/topic_configs.ts";
import type { TopicImage } from "../../partitions/metadata/image.ts";
import { type DeletionOutcome, type DeletionWaiter, errorCodeOf } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import { askControl } from "../requests/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DeleteRecordsRequest,
  deleteRecordsRequest,
  type DeleteRecordsResponse,
  deleteRecordsResponse,
  type DeleteRecordsTopic,
} from "../protocol/messages/21_delete_records.ts";
import { charge } from "../requests/quota.ts";
import { isFailure } from "../shards/shard_messages.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { TopicCursor } from "../requests/topic_cursor.ts";

/** The row of DeleteRecords. */
export const deleteRecordsApi = api({
  key: 21,
  name: "DeleteRecords",
  served: [0, 2],
  request: deleteRecordsRequest,
  response: deleteRecordsResponse,
  handle: handleDeleteRecords,
});

/** What stands for the high watermark. */
const HIGH_WATERMARK = -1;
/** What a refused partition answers. */
const NO_LOW_WATERMARK = -1;

/** One partition's part of the answer. */
interface Answer {
  readonly topic: string;
  readonly partitionIndex: number;
  lowWatermark: number;
  errorCode: number;
}

/** Handles DeleteRecords. */
export function handleDeleteRecords(
  request: DeleteRecordsRequest,
  exchange: Exchange<DeleteRecordsResponse>,
  services: ShardServices,
): void {
  new DeleteRecordsOperation(request, exchange, services).start();
}

class DeleteRecordsOperation implements DeletionWaiter, SlicedWork {
  readonly #exchange: Exchange<DeleteRecordsResponse>;
  readonly #services: ShardServices;
  readonly #answers: Answer[] = [];
  readonly #cursor;
  /** Of the topic that the cursor is at. */
  #topic: TopicImage | undefined;
  #refusal: number = errorCode.NONE;
  #unanswered = 1;

  constructor(
    request: DeleteRecordsRequest,
    exchange: Exchange<DeleteRecordsResponse>,
    services: ShardServices,
  ) {
    this.#exchange = exchange;
    this.#services = services;
    this.#cursor = new TopicCursor(lastOfEach(request.topics), ({ partitions }) => partitions);
  }

  start(): void {
    if (this.#cursor.isAtEnd) this.finish();
    else this.#services.slices.run(this, this.#exchange);
  }

  step(): boolean {
    const { topic: { name }, partition: [partitionIndex, offset] } = this.#cursor;
    if (this.#cursor.isAtTopic) {
      this.#topic = this.#services.image.topic(name);
      this.#refusal = this.#refuse(name, this.#topic);
    }
    const place = this.#topic?.partitions[partitionIndex];
    const answer = { topic: name, partitionIndex, lowWatermark: NO_LOW_WATERMARK, errorCode: this.#refusal };
    const tag = this.#answers.push(answer) - 1;
    if (answer.errorCode === errorCode.NONE && place === undefined) {
      answer.errorCode = errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    } else if (answer.errorCode === errorCode.NONE && offset < HIGH_WATERMARK) {
      answer.errorCode = errorCode.OFFSET_OUT_OF_RANGE;
    }
    if (answer.errorCode === errorCode.NONE && place !== undefined) {
      this.#unanswered++;
      this.#services.partitions.deleteRecords(place, offset, this, tag);
    }
    return this.#cursor.advance();
  }

  finish(): void {
    this.#answered();
  }

  onRecordsDeleted(tag: number, outcome: DeletionOutcome): void {
    const answer = this.#answers[tag] as Answer;
    answer.errorCode = errorCodeOf(outcome.refusal);
    if (outcome.refusal === null) answer.lowWatermark = outcome.logStartOffset;
    this.#answered();
  }

  #refuse(name: string, topic: TopicImage | undefined): number {
    if (!authorize(this.#exchange.context, "DELETE", { type: "TOPIC", name })) {
      return errorCode.TOPIC_AUTHORIZATION_FAILED;
    }
    if (topic === undefined) return errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (topic.isInternal) return errorCode.INVALID_TOPIC_EXCEPTION;
    const { config } = this.#services;
    const isKept = hasCleanupPolicy("compact", topic.configs, config) &&
      !hasCleanupPolicy("delete", topic.configs, config);
    return isKept ? errorCode.POLICY_VIOLATION : errorCode.NONE;
  }

  #answered(): void {
    this.#unanswered--;
    if (this.#unanswered > 0) return;
    if (!this.#answers.some((answer) => answer.errorCode === errorCode.NONE)) return this.#respond();
    const { control } = this.#services;
    askControl({ name: "saveLogStarts", args: {} }, { control, exchange: this.#exchange }, (result) => {
      if (isFailure(result)) this.#answers.forEach(refuseUnsaved);
      this.#respond();
    });
  }

  #respond(): void {
    const byTopic = Map.groupBy(this.#answers, ({ topic }) => topic);
    const topics = Array.from(byTopic, ([name, answers]) => ({
      name,
      partitions: answers.map(({ partitionIndex, lowWatermark, errorCode }) => ({
        partitionIndex,
        lowWatermark,
        errorCode,
      })),
    }));
    this.#exchange.respond({ throttleTimeMs: charge(this.#exchange.context, "request", 1), topics });
  }
}

/** The log start has moved, but a crash could undo it: the client asks again. */
function refuseUnsaved(answer: Answer): void {
  if (answer.errorCode !== errorCode.NONE) return;
  answer.errorCode = errorCode.KAFKA_STORAGE_ERROR;
  answer.lowWatermark = NO_LOW_WATERMARK;
}

/** Offsets by partition and topic: of a partition that is named more than once, the last offset counts, as in Kafka. */
function lastOfEach(topics: readonly DeleteRecordsTopic[]): { name: string; partitions: [number, number][] }[] {
  const offsets = new Map<string, Map<number, number>>();
  for (const { name, partitions } of topics) {
    const ofTopic = offsets.get(name) ?? new Map<number, number>();
    for (const { partitionIndex, offset } of partitions) ofTopic.set(partitionIndex, offset);
    offsets.set(name, ofTopic);
  }
  return Array.from(offsets, ([name, partitions]) => ({ name, partitions: [...partitions] }));
}
