/**
 * The quotas of clients on a shard of a running broker. Runs on shards.
 */
import { type ClientQuota, RateTable } from "../../../partitions/mod.ts";
import { ShardQuotas } from "./shard_quotas.ts";
import type { ShardStart } from "../../shards/shard_messages.ts";

/**
 * Monotonic time in ms, with one zero for all workers of a broker: each has an origin of its own, which the wall clock gave when it
 * began. If that clock was set in between, the shards count all the same, and only credit lapses sooner or later (rate_table.ts).
 */
const sharedMs = () => performance.timeOrigin + performance.now();

/** The quotas of a shard. @param image that has them */
export function clientQuotas(
  { state, shard, config }: ShardStart,
  image: { readonly clientQuotas: readonly ClientQuota[] },
): ShardQuotas {
  const { quotaWindowNum: windowNum, quotaWindowMs: windowMs } = config;
  const table = new RateTable(state.rates, { shard, shardsCount: state.shardsCount });
  return new ShardQuotas({ image, table, windowNum, windowMs, nowMs: sharedMs });
}
