/** One partition of a Produce request: what was asked, and the result. Runs on shards. */
import type { TopicImage } from "../../../partitions/mod.ts";
import {
  baseSequence,
  BATCH_HEADER_BYTES,
  NO_OFFSET,
  type Offset,
  producerId,
  type RecordErrors,
} from "../../../storage/mod.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { ProduceRequest, ProduceResponse } from "../../protocol/messages/00_produce.ts";
import type { ProducerBatch } from "./refused_batches.ts";

type PartitionResponse = ProduceResponse["responses"][number]["partitionResponses"][number];

/** A topic of a request. */
export type TopicData = ProduceRequest["topicData"][number];

/** One partition of a request. */
export interface ProducePart {
  readonly data: TopicData;
  readonly index: number;
  readonly records: TopicData["partitionData"][number]["records"];
  slot: number;
  topic: TopicImage | null;
  errorCode: number;
  message: string | null;
  recordErrors: RecordErrors["errors"];
  baseOffset: Offset;
  nextOffset: Offset;
  /** Whether everything that `acks` asks for has happened. Otherwise the high watermark has not reached `nextOffset` yet. */
  isComplete: boolean;
  appendTimeMs: number;
  logStartOffset: Offset;
  /** Whether another shard appends it, from this shard's arena. */
  isRemote: boolean;
}

/** Initial value of every part, shared so that a produce allocates nothing for what rarely happens. */
const NONE_REFUSED: RecordErrors["errors"] = [];
const NO_RECORD_ERRORS: PartitionResponse["recordErrors"] = [];

/** A part for which nothing has been done yet. */
export function newPart(data: TopicData, { index, records }: TopicData["partitionData"][number]): ProducePart {
  return {
    data,
    index,
    records,
    slot: -1,
    topic: null,
    errorCode: errorCode.NONE,
    message: null,
    recordErrors: NONE_REFUSED,
    baseOffset: NO_OFFSET,
    nextOffset: NO_OFFSET,
    isComplete: false,
    appendTimeMs: -1,
    logStartOffset: NO_OFFSET,
    isRemote: false,
  };
}

/** The part of the response. */
export function partitionResponse(part: ProducePart): PartitionResponse {
  const failed = part.errorCode !== errorCode.NONE;
  return {
    index: part.index,
    errorCode: part.errorCode,
    baseOffset: failed ? NO_OFFSET : part.baseOffset,
    logAppendTimeMs: failed ? -1 : part.appendTimeMs,
    logStartOffset: part.logStartOffset,
    recordErrors: part.recordErrors.length === 0 ? NO_RECORD_ERRORS : part.recordErrors.map(recordErrorOf),
    errorMessage: part.message,
  };
}

function recordErrorOf({ recordIndex, message }: RecordErrors["errors"][number]) {
  return { batchIndex: recordIndex, batchIndexErrorMessage: message };
}

/** The batch of an idempotent producer, null for other batches. @param view of the arena @param isById topics are named by id */
export function producerBatchOf(
  { data, index, records }: ProducePart,
  view: DataView,
  isById: boolean,
): ProducerBatch | null {
  if (records === null || records.length < BATCH_HEADER_BYTES) return null;
  const id = producerId(view, records.start);
  if (id < 0) return null;
  const topic = isById ? data.topicId : data.name;
  return { producerId: id, topic, partition: index, sequence: baseSequence(view, records.start) };
}
