/**
 * The question of ListOffsets: the offset for a timestamp, or for one of Kafka's special timestamps (owned/listed_offsets.ts).
 * Plain data; shards.
 */
import { flag, float64, int32, offset } from "./layout.ts";
import { question } from "./question.ts";

/** The offset of the answer is -1 when no record matches. */
export const listOffsets = question({
  name: "listOffsets",
  ask: {
    /** In ms, or a special one. */
    timestamp: float64,
    /** The leader epoch the client knows, -1 for no check. */
    currentLeaderEpoch: int32,
    /** Up to the last stable offset instead of the high watermark. */
    committedOnly: flag,
    /** Up to the log end, for a follower. */
    toLogEnd: flag,
  },
  answer: { offset, timestamp: float64, leaderEpoch: int32 },
  serve: (partition, ask) => partition.listOffset(ask),
});
