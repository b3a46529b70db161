/**
 * DeleteRecords, API key 21 (KIP-107): moves the log start of partitions, so that records below it are deleted for every reader.
 *
 * v0 · v2 flexible. Offset -1 means the high watermark; an offset at or below the log start changes nothing. Refused are an offset
 * above the high watermark (OFFSET_OUT_OF_RANGE), internal topics (INVALID_TOPIC_EXCEPTION), and topics that are only compacted
 * (POLICY_VIOLATION).
 *
 * The answer is sent when `log-start-offset-checkpoint` is durable, so that no crash brings deleted records back. (Kafka writes that
 * file once a minute, and an unclean stop may undo what it answered since.) Disk space is freed later: segments entirely below
 * the log start are renamed at once and removed after `file.delete.delay.ms`.
 *
 * Where a partition has followers, the answer is sent when they have moved their log starts, too, or with REQUEST_TIMED_OUT; the log start
 * has moved nevertheless (low_watermark_wait.ts).
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { hasCleanupPolicy } from "../../partitions/config/topics/topic_configs.ts";
import type { TopicImage } from "../../partitions/mod.ts";
import { deleteRecords } from "../../partitions/questions/delete_records.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DeleteRecordsRequest,
  deleteRecordsRequest,
  type DeleteRecordsResponse,
  deleteRecordsResponse,
} from "../protocol/messages/21_delete_records.ts";
import type { MadeList } from "../protocol/made_list.ts";
import { api } from "../requests/api.ts";
import { askControl } from "../requests/control/control_question.ts";
import { answeredTopics, gather, type GatheredTopic } from "../requests/gather.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { LowWatermarkWait, type PendingDeletion } from "../requests/replication/low_watermark_wait.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of DeleteRecords. */
export const deleteRecordsApi = api({
  key: 21,
  name: "DeleteRecords",
  served: [0, 2],
  request: deleteRecordsRequest,
  response: deleteRecordsResponse,
  handle: handleDeleteRecords,
});

/** The offset that means the high watermark. */
const HIGH_WATERMARK = -1;
/** The request does not say which leader epoch the client knows. */
const NO_EPOCH = -1;
/** Low watermark in the answer of a refused partition. */
const NO_LOW_WATERMARK = -1;

/** One partition's part of the answer. */
interface Part {
  readonly partitionIndex: number;
  readonly lowWatermark: number;
  readonly errorCode: number;
  /** What the low watermark has to reach. */
  readonly target: number;
}

type Topics = MadeList<GatheredTopic<Part>>;

/** Handles DeleteRecords. */
export function handleDeleteRecords(
  request: DeleteRecordsRequest,
  exchange: Exchange<DeleteRecordsResponse>,
  services: ShardServices,
): void {
  gather(
    {
      question: deleteRecords,
      topics: request.topics,
      repeated: "last",
      operation: "DELETE",
      indexOf: ({ partitionIndex }) => partitionIndex,
      refuseTopic: (topic) => refuseTopic(topic, services.config),
      ask: ({ offset }) => offset < HIGH_WATERMARK ? errorCode.OFFSET_OUT_OF_RANGE : { offset },
      leaderEpochOf: () => NO_EPOCH,
      part: ({ partitionIndex, offset }, code, { logStartOffset, lowWatermark }): Part => {
        const target = offset === HIGH_WATERMARK ? logStartOffset : offset;
        return { partitionIndex, lowWatermark, errorCode: code, target };
      },
      respond: (topics, hasMoved) => {
        const respond = (answered: Topics) => exchange.respond({ topics: answeredTopics(answered) });
        if (!hasMoved) return respond(topics);
        saveLogStarts(topics, { exchange, services }, () => {
          const pending = pendingOf(topics);
          if (pending.length === 0) return respond(topics);
          const done = () => respond(withPending(topics, pending));
          new LowWatermarkWait({ pending, timeoutMs: request.timeoutMs, exchange, services, done }).start();
        });
      },
    },
    exchange,
    services,
  );
}

function refuseTopic({ isInternal, configs }: TopicImage, config: BrokerConfig): number {
  if (isInternal) return errorCode.INVALID_TOPIC_EXCEPTION;
  const isKept = hasCleanupPolicy("compact", configs, config) && !hasCleanupPolicy("delete", configs, config);
  return isKept ? errorCode.POLICY_VIOLATION : errorCode.NONE;
}

/** Makes the log starts durable; answers if they cannot be. @param saved continues */
function saveLogStarts(
  topics: Topics,
  { exchange, services: { control } }: { exchange: Exchange<DeleteRecordsResponse>; services: ShardServices },
  saved: () => void,
): void {
  askControl({ name: "saveLogStarts", args: {} }, { control, exchange }, (result) => {
    if (!isFailure(result)) return saved();
    const answered = topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(refuseUnsaved) }));
    exchange.respond({ topics: answeredTopics(answered) });
  });
}

/** The partitions whose followers have not moved their log starts. */
function pendingOf(topics: Topics): PendingDeletion[] {
  const pending: PendingDeletion[] = [];
  for (const { name: topic, partitions } of topics) {
    for (const { partitionIndex, lowWatermark, errorCode: code, target } of partitions) {
      if (code !== errorCode.NONE || lowWatermark >= target) continue;
      pending.push({ topic, partitionIndex, target, lowWatermark, errorCode: code });
    }
  }
  return pending;
}

/** The answer with what has become of those. */
function withPending(topics: Topics, pending: readonly PendingDeletion[]): Topics {
  const keyOf = (topic: string, partition: number) => `${topic}/${partition}`;
  const ended = new Map(pending.map((one) => [keyOf(one.topic, one.partitionIndex), one]));
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((part) => {
      const { errorCode = part.errorCode, lowWatermark = part.lowWatermark } = ended.get(
        keyOf(name, part.partitionIndex),
      ) ?? {};
      return { ...part, errorCode, lowWatermark };
    }),
  }));
}

/** Refuses a partition whose log start has moved although a crash could undo it. The client asks again. */
function refuseUnsaved(part: Part): Part {
  if (part.errorCode !== errorCode.NONE) return part;
  return { ...part, errorCode: errorCode.KAFKA_STORAGE_ERROR, lowWatermark: NO_LOW_WATERMARK };
}
