/**
 * The question of DescribeProducers (KIP-664): what a log knows of its producers. A log may know 100,000 of them, so they are asked for
 * part by part, in the order of their ids. Plain data; shards.
 */
import { flag, float64, int32, listOf } from "./layout.ts";
import { question } from "./question.ts";

/** Most producers in one answer, 48 bytes each (LIST_BYTES_MAX in layout.ts). */
export const LISTED_PRODUCERS_MAX = 1024;

/** Each part tells the state at its time: a producer that is new, or expires, between two parts may be absent. */
export const activeProducers = question({
  name: "activeProducers",
  ask: {
    /** Producers with higher ids are listed, -1 for all. */
    above: float64,
  },
  answer: {
    producers: listOf({
      producerId: float64,
      producerEpoch: int32,
      lastSequence: int32,
      /** In ms. */
      lastTimestamp: float64,
      coordinatorEpoch: int32,
      currentTxnStartOffset: float64,
    }),
    /** Whether there may be producers with higher ids than those of the list. */
    hasMore: flag,
  },
  serve: ({ replica, log }, { above }) => {
    const refusal = replica.isOpen ? null : "log-offline"; // any replica answers, as in Kafka
    const producers = refusal === null ? log.producers.listAbove(above, LISTED_PRODUCERS_MAX) : [];
    return { refusal, producers, hasMore: producers.length === LISTED_PRODUCERS_MAX };
  },
});
