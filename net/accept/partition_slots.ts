/**
 * What the budget of descriptors means for partitions, of which each has one open: how many may be created, and how many logs each
 * shard opens at a start that finds more of them than descriptors. Main isolate.
 */
import type { ImageDelta, PartitionRoom } from "../../partitions/control.ts";
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
 * @param image the whole of a start @param by report: is told how many stay closed, if any do
 */
export function shareLogs(
  budget: DescriptorBudget,
  { changed }: ImageDelta,
  by: { shardsCount: number; report: (text: string) => void },
): number[] {
  const counts = new Array<number>(by.shardsCount).fill(0);
  for (const { partitions } of changed) for (const { shard } of partitions) counts[shard] = (counts[shard] ?? 0) + 1;
  const shares = budget.logsOfShards(counts);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, count) => total + count, 0);
  const closed = sum(counts) - sum(shares);
  if (closed > 0) {
    const advice = "Raise the limit or delete topics, then restart";
    by.report(`${closed} of ${sum(counts)} partitions stay offline: ${scarcityOf(budget)}. ${advice}`);
  }
  return shares;
}
