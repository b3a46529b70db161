/** The question of OffsetForLeaderEpoch: where a leader epoch ends (KIP-101, KIP-279). Plain data; shards. */
import { int32, offset } from "./layout.ts";
import { question } from "./question.ts";

/** Epoch and offset of the answer are both -1 for an unknown epoch. */
export const epochEnd = question({
  name: "epochEnd",
  ask: {
    /** The leader epoch the client knows, -1 for no check. */
    currentLeaderEpoch: int32,
    /** The leader epoch whose end is asked for. */
    leaderEpoch: int32,
  },
  answer: {
    /** Largest epoch up to the one asked for. */
    leaderEpoch: int32,
    endOffset: offset,
  },
  serve: (partition, ask) => partition.epochEnd(ask),
});
