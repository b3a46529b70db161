/**
 * Changes of partitions' rows that leaders on shards want: how they reach the main isolate, which executes each as a compare-and-set, and what
 * comes back. Plain data.
 *
 * A row is named by its partition epoch: every change of the row makes it grow, so it says which version the shard has seen.
 */
import type { Comparison } from "./cluster_image.ts";
import type { PartitionRow } from "./partition_row.ts";

/** A change that a leader wants. */
export interface RowProposal {
  readonly topicId: string;
  readonly partition: number;
  /** Partition epoch of the row that it was made from. */
  readonly partitionEpoch: number;
  readonly row: PartitionRow;
  /** What has to hold beside the row (replication/leader_state.ts). */
  readonly comparisons: readonly Comparison[];
}

/**
 * How a proposal ended. "committed": the row is written. "conflict": there is another row. "refused": the row is as it was, but a broker is
 * not as the proposal says. "unknown": it may be written yet; the same proposal again finds out.
 */
export type RowOutcome = "committed" | "conflict" | "refused" | "unknown";

/** The main isolate's side. */
export interface RowProposals {
  /** Executes proposals. @returns how each ended, in their order */
  change(proposals: readonly RowProposal[]): Promise<readonly RowOutcome[]>;
}
