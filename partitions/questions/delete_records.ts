/** The question of DeleteRecords: moves the log start (KIP-107). Plain data; shards. */
import { float64, offset } from "./layout.ts";
import { question } from "./question.ts";

/** Answered with the log start after the deletion, and the lowest one of the live replicas. */
export const deleteRecords = question({
  name: "deleteRecords",
  ask: {
    /** The new log start; -1 is the high watermark. */
    offset: float64,
  },
  answer: { logStartOffset: offset, lowWatermark: offset },
  serve: (partition, ask) => {
    const outcome = partition.deleteRecords(ask.offset);
    return { ...outcome, lowWatermark: partition.leader?.lowWatermark ?? outcome.logStartOffset };
  },
});
