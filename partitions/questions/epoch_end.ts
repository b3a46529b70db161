/** The question of OffsetForLeaderEpoch: where a leader epoch ends (KIP-101, KIP-279). Plain data; shards. */
import { int32, offset } from "./layout.ts";
import { question } from "./question.ts";

/** Both are -1 for an epoch that nothing is known of. */
export const epochEnd = question({
  name: "epochEnd",
  ask: {
    /** The leader epoch the client knows, -1 for no check. */
    currentLeaderEpoch: int32,
    /** The one whose end is asked for. */
    leaderEpoch: int32,
  },
  answer: {
    /** Largest epoch at or before the one asked for. */
    leaderEpoch: int32,
    endOffset: offset,
  },
  serve: (partition, ask) => partition.epochEnd(ask),
});
