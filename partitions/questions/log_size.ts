/**
 * The question of DescribeLogDirs: how large a log is, and how far it lies behind. Plain data; shards.
 * Source: Kafka's ReplicaManager.describeLogDirs, getLogEndOffsetLag.
 */
import { float64 } from "./layout.ts";
import { question } from "./question.ts";

/** A log that is offline has no size: it is refused. One that is not led here has one. */
export const logSize = question({
  name: "logSize",
  ask: {},
  answer: {
    /** Bytes of the `.log` files of all segments. */
    logFilesBytes: float64,
    /** Records from the log end to the high watermark, of which a leader has none. */
    offsetLag: float64,
    logEndOffset: float64,
  },
  serve: ({ isOpen, log, highWatermark }) => {
    if (!isOpen) return { refusal: "log-offline", logFilesBytes: -1, offsetLag: -1, logEndOffset: -1 };
    const { logFilesBytes, logEndOffset } = log;
    return { refusal: null, logFilesBytes, offsetLag: Math.max(highWatermark - logEndOffset, 0), logEndOffset };
  },
});
