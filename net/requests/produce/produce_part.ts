/** One partition of a Produce request: what was asked, and the result. Runs on shards. */
import type { TopicImage } from "../../../partitions/mod.ts";
import { baseSequence, BATCH_HEADER_BYTES, NO_OFFSET, producerId, type RecordErrors } from "../../../storage/mod.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { ProduceRequest, ProduceResponse } from "../../protocol/messages/00_produce.ts";
import { plainConstructor } from "../../protocol/plain_constructor.ts";
import type { ProducerBatch } from "./refused_batches.ts";

type PartitionResponse = ProduceResponse["responses"][number]["partitionResponses"][number];

/** A topic of a request. */
export type TopicData = ProduceRequest["topicData"][number];

/** Initial value of every part, shared so that a produce allocates nothing for what rarely happens. */
const NONE_REFUSED: RecordErrors["errors"] = [];
const NO_RECORD_ERRORS: PartitionResponse["recordErrors"] = [];

/** One partition of a request. */
export class ProducePart {
  readonly data: TopicData;
  readonly index: number;
  readonly records: TopicData["partitionData"][number]["records"];
  slot = -1;
  topic: TopicImage | null = null;
  errorCode: number = errorCode.NONE;
  message: string | null = null;
  recordErrors = NONE_REFUSED;
  baseOffset = NO_OFFSET;
  nextOffset = NO_OFFSET;
  /** Whether everything that `acks` asks for has happened. Otherwise the high watermark has not reached `nextOffset` yet. */
  isComplete = false;
  /** The leadership in which it was written: only its high watermark counts. */
  leadership = 0;
  appendTimeMs = -1;
  logStartOffset = NO_OFFSET;
  /** The leader, for a client that took this broker for it (KIP-951). */
  currentLeader: PartitionResponse["currentLeader"] = undefined;
  /** Whether its bytes are held until it is appended: by another shard, or later by this one. */
  isHeld = false;

  /** A part for which nothing has been done yet. */
  constructor(data: TopicData, { index, records }: TopicData["partitionData"][number]) {
    this.data = data;
    this.index = index;
    this.records = records;
  }
}

/** One for each partition of a request, like `ProducePart`, so neither is made by a literal (plain_constructor.ts). */
const Answer = plainConstructor<PartitionResponse>()(
  "index",
  "errorCode",
  "baseOffset",
  "logAppendTimeMs",
  "logStartOffset",
  "recordErrors",
  "errorMessage",
  "currentLeader",
);

/** The part of the response. */
export function partitionResponse(part: ProducePart): PartitionResponse {
  const failed = part.errorCode !== errorCode.NONE;
  return new Answer(
    part.index,
    part.errorCode,
    failed ? NO_OFFSET : part.baseOffset,
    failed ? -1 : part.appendTimeMs,
    part.logStartOffset,
    part.recordErrors.length === 0 ? NO_RECORD_ERRORS : part.recordErrors.map(recordErrorOf),
    part.message,
    part.currentLeader,
  );
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
