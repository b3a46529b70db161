/**
 * How the shards' loops turn, and what went wrong there. Main isolate.
 */
import { TURN_TIME_BOUNDS_MS } from "../../../partitions/control.ts";
import type { MetricFamily } from "../metric_family.ts";
import { indexed } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";
import type { ShardTimes } from "./recent_rates.ts";

const TURN_BOUNDS = TURN_TIME_BOUNDS_MS.map((ms) => ms / 1000);

/** Families of the shards. @param times of the shards */
export function shardFamilies({ pool }: MetricSources, { busySeconds }: ShardTimes): MetricFamily[] {
  const turns = pool.turnTimes();
  return [
    {
      kind: "histogram",
      name: "barnabas_turn_seconds",
      help: "How long the turns of the shards' loops took; during a long turn all clients of the shard wait",
      samples: turns.map(({ shard, counts }) => ({
        labels: { shard: String(shard) },
        bounds: TURN_BOUNDS,
        counts,
        sum: busySeconds[shard] ?? 0,
      })),
    },
    indexed("gauge", "barnabas_longest_turn_seconds", {
      help: "The longest turn of a shard since the start",
      label: "shard",
      values: turns.map(({ longestMs }) => longestMs / 1000),
    }),
    indexed("counter", "barnabas_handler_failures_total", {
      help: "Exceptions of request handlers; each is a bug of the broker, and cost one connection",
      label: "shard",
      values: pool.handlerFailures(),
    }),
    indexed("gauge", "barnabas_follower_lag_records", {
      help: "Records that the follower lacks that is furthest behind, of the partitions that a shard leads",
      label: "shard",
      values: pool.followerLags(),
    }),
  ];
}
