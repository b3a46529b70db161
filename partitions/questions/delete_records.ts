/** The question of DeleteRecords: moves the log start (KIP-107). Plain data; shards. */
import { float64, offset } from "./layout.ts";
import { question } from "./question.ts";

/** Answered with the log start after the deletion. */
export const deleteRecords = question({
  name: "deleteRecords",
  ask: {
    /** The new log start; -1 is the high watermark. */
    offset: float64,
  },
  answer: { logStartOffset: offset },
  serve: (partition, ask) => partition.deleteRecords(ask.offset),
});
