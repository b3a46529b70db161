/**
 * What the descriptor budget means for partitions, because each keeps one descriptor open: how many may be created, and how many logs
 * each shard opens when a start finds more of them than descriptors. Runs on the main isolate.
 */
import { type ImageDelta, isHere, type PartitionRoom } from "../../partitions/control.ts";
import type { DescriptorBudget, SlotsTaken } from "./descriptor_budget.ts";

function scarcityOf({ limit }: DescriptorBudget): string {
  return `each takes a descriptor and the process may have ${limit} (ulimit -n)`;
}

/** How many partitions may be created. */
export function roomForPartitions(budget: DescriptorBudget, taken: SlotsTaken): PartitionRoom {
  return { count: budget.roomForLogs(taken), scarcity: scarcityOf(budget) };
}

/**
 * How many logs each shard opens.
 * @param image the complete image at the start @param by report: called with the number of logs that stay closed, if any
 */
export function shareLogs(
  budget: DescriptorBudget,
  { changed }: ImageDelta,
  by: { shardsCount: number; report: (text: string) => void },
): number[] {
  const counts = new Array<number>(by.shardsCount).fill(0);
  for (const { partitions } of changed) {
    for (const { shard } of partitions.filter(isHere)) counts[shard] = (counts[shard] ?? 0) + 1;
  }
  const shares = budget.logsOfShards(counts);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, count) => total + count, 0);
  const closed = sum(counts) - sum(shares);
  if (closed > 0) {
    const advice = "Raise the limit or delete topics, then restart";
    by.report(`${closed} of ${sum(counts)} partitions stay offline: ${scarcityOf(budget)}. ${advice}`);
  }
  return shares;
}
