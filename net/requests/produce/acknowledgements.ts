/**
 * What the written parts of a Produce wait for, read from the watermark table: the high watermark passes their records once a flush has
 * covered them (`flush.messages`) and the in-sync replicas have them. acks=1 waits for the flush alone. Only the high watermark of the
 * leadership in which they were written counts: after another leader, and a truncation, the same offsets may have other records. Runs on
 * shards.
 */
import {
  emptyWatermarks,
  partitionState,
  replication,
  type Watermarks,
  type WatermarkTable,
} from "../../../partitions/mod.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { ProducePart } from "./produce_part.ts";

const ACKS_ALL = -1;

const marks = emptyWatermarks();

/** Whether nothing is left to wait for: each part is complete or refused. */
export function areEnded(parts: readonly ProducePart[]): boolean {
  for (const part of parts) if (part.errorCode === errorCode.NONE && !part.isComplete) return false;
  return true;
}

/** Looks which parts are complete now, and refuses those that never will be. @param acks of the request @returns whether all have ended */
export function checkProgress(parts: readonly ProducePart[], watermarks: WatermarkTable, acks: number): boolean {
  for (const part of parts) if (isWaiting(part, watermarks, acks)) part.errorCode = codeOf(part, marks);
  return areEnded(parts);
}

/** Whether a part waits for a flush, not for replicas. Kafka flushes before the timeout of the request begins. */
export function areAwaitingFlush(parts: readonly ProducePart[], watermarks: WatermarkTable, acks: number): boolean {
  for (const part of parts) {
    if (!isWaiting(part, watermarks, acks)) continue;
    if (part.topic?.logConfig.flushMessages !== Infinity && marks.recoveryPoint < part.nextOffset) return true;
  }
  return false;
}

/** Ends the wait of all parts: those that are not complete have timed out. */
export function expire(parts: readonly ProducePart[], watermarks: WatermarkTable, acks: number): void {
  for (const part of parts) if (isWaiting(part, watermarks, acks)) part.errorCode = errorCode.REQUEST_TIMED_OUT;
}

/** Whether a part is neither refused nor complete by now. Then `marks` has its partition's row. */
function isWaiting(part: ProducePart, watermarks: WatermarkTable, acks: number): boolean {
  if (part.errorCode !== errorCode.NONE) return false;
  if (part.isComplete) return false;
  const { leadership, highWatermark } = watermarks.read(part.slot, marks);
  if (leadership !== part.leadership) return true;
  part.isComplete = highWatermark >= part.nextOffset || (acks !== ACKS_ALL && isFlushed(part, marks));
  if (part.isComplete && acks === ACKS_ALL && marks.replication === replication.belowMinimum) {
    // They have it, but they are fewer than min.insync.replicas by now.
    part.errorCode = errorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND;
  }
  return !part.isComplete;
}

/** Whether the leader has it as the topic asks for, whatever its followers have. */
function isFlushed({ nextOffset }: ProducePart, row: Readonly<Watermarks>): boolean {
  return row.replication !== replication.none && row.recoveryPoint >= nextOffset;
}

/**
 * The error of a part that is not complete, by its partition's row; NONE while it may still become so. After the end of the leadership nobody
 * here knows whether the next leader has the batch. Kafka answers NOT_LEADER_OR_FOLLOWER then, which librdkafka takes for "was not written":
 * it sends the records again in other batches, which no leader recognizes as repeated, and the records are there twice. After this answer it
 * sends the same batch.
 */
function codeOf(part: ProducePart, { state, leadership }: Readonly<Watermarks>): number {
  if (state === partitionState.offline) return errorCode.KAFKA_STORAGE_ERROR;
  // The next owner of a partition that is handed over continues its row.
  const isServed = state === partitionState.open || state === partitionState.handedOver;
  const isLed = isServed && leadership === part.leadership;
  return isLed ? errorCode.NONE : errorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}
