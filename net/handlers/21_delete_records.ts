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
 * Not done: the timeout, which is for replicas that follow slowly.
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
}

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
      part: ({ partitionIndex }, code, { logStartOffset }): Part => {
        return { partitionIndex, lowWatermark: logStartOffset, errorCode: code };
      },
      respond: (topics, hasMoved) => {
        if (hasMoved) saveAndRespond(topics, exchange, services);
        else exchange.respond({ topics: answeredTopics(topics) });
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

/** Makes the log starts durable, and answers. */
function saveAndRespond(
  topics: MadeList<GatheredTopic<Part>>,
  exchange: Exchange<DeleteRecordsResponse>,
  { control }: ShardServices,
): void {
  askControl({ name: "saveLogStarts", args: {} }, { control, exchange }, (result) => {
    const answered = isFailure(result)
      ? topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(refuseUnsaved) }))
      : topics;
    exchange.respond({ topics: answeredTopics(answered) });
  });
}

/** Refuses a partition whose log start has moved although a crash could undo it. The client asks again. */
function refuseUnsaved(part: Part): Part {
  if (part.errorCode !== errorCode.NONE) return part;
  return { ...part, errorCode: errorCode.KAFKA_STORAGE_ERROR, lowWatermark: NO_LOW_WATERMARK };
}
