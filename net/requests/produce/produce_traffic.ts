/** Counts what a Produce request did to a partition. Runs on shards. Source: Kafka's ReplicaManager.appendRecordsToLeader. */
import type { AppendOutcome, PartitionTraffic, Refusal, TrafficEnd } from "../../../partitions/mod.ts";
import type { ProducePart } from "./produce_part.ts";

/** What clients may expect, which Kafka does not count as a failure: who leads, what is damaged, which disk failed. */
const EXPECTED: readonly Refusal[] = [
  "not-leader-or-follower",
  "unknown-partition",
  "corrupt-batch",
  "larger-than-segment",
  "log-offline",
];

/** Counts the outcome of one append. */
export function countProduced(traffic: PartitionTraffic, { slot, records }: ProducePart, outcome: AppendOutcome): void {
  if (slot < 0) return;
  traffic.produced(slot, endOf(outcome.refusal), records?.length ?? 0, outcome.nextOffset - outcome.baseOffset);
}

function endOf(refusal: Refusal | null): TrafficEnd {
  if (refusal === null) return "done";
  if (refusal === "too-large" || refusal === "content-too-large") return "too-large";
  return EXPECTED.includes(refusal) ? "refused" : "failed";
}
