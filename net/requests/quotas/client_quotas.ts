/**
 * The quotas of clients on a shard of a running broker. Runs on shards.
 */
import { type ClientQuota, RateTable } from "../../../partitions/mod.ts";
import { ShardQuotas } from "./shard_quotas.ts";
import type { ShardStart } from "../../shards/shard_messages.ts";
import { monotonicMicroseconds } from "../../../storage/mod.ts";

/**
 * When this worker's clock began, in ms by the kernel's. `performance.timeOrigin` would be a time of the wall clock: were that set
 * between the begins of two workers, one would take the other's use for debt, for as long as it was set on.
 */
const originMs = Number(monotonicMicroseconds()) / 1000 - performance.now();

/** Monotonic time in ms with one zero for all workers of a broker. */
const sharedMs = () => originMs + performance.now();

/** The quotas of a shard. @param image that has them */
export function clientQuotas(
  { state, shard, config }: ShardStart,
  image: { readonly clientQuotas: readonly ClientQuota[] },
): ShardQuotas {
  const { quotaWindowNum: windowNum, quotaWindowMs: windowMs } = config;
  const table = new RateTable(state.rates, { shard, shardsCount: state.shardsCount });
  return new ShardQuotas({ image, table, windowNum, windowMs, nowMs: sharedMs });
}
