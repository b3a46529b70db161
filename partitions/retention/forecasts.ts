/** Adds up by topic what the first check of retention will remove of a shard's partitions. Runs on shards. */
import type { RetentionDecision } from "../../storage/mod.ts";
import type { Partition } from "../owned/partition.ts";
import type { TopicForecast } from "./retention_events.ts";

type Sum = { -readonly [Field in keyof TopicForecast]: TopicForecast[Field] };

/** The sums. */
export class Forecasts {
  readonly #byTopic = new Map<string, Sum>();

  /** The topics that have a rule and records. */
  get topics(): readonly TopicForecast[] {
    return [...this.#byTopic.values()];
  }

  /** Adds a partition. @param name `topic-partition` */
  add(name: string, { config, log, highWatermark }: Partition, decision: RetentionDecision): void {
    const { retentionMs, retentionBytes } = config;
    const hasRule = config.delete && (retentionMs >= 0 || retentionBytes >= 0);
    if (!hasRule || log.logEndOffset === log.logStartOffset) return;
    const topic = name.slice(0, name.lastIndexOf("-"));
    const sum = this.#byTopic.get(topic) ?? emptySum(topic, { retentionMs, retentionBytes });
    this.#byTopic.set(topic, sum);
    const { bySize, byTime, bytes } = decision;
    if (bySize + byTime > 0) sum.partitions++;
    sum.segments += bySize + byTime;
    sum.bytes += bytes;
    sum.bySize ||= bySize > 0;
    sum.byTime ||= byTime > 0;
    const { segments, first } = log.retained(highWatermark);
    const timestamp = segments[first + bySize + byTime]?.knownRetentionTimestamp ?? null;
    if (retentionMs >= 0 && timestamp !== null) sum.nextMs = Math.min(sum.nextMs, timestamp + retentionMs);
  }
}

function emptySum(topic: string, rules: Pick<TopicForecast, "retentionMs" | "retentionBytes">): Sum {
  return { topic, partitions: 0, segments: 0, bytes: 0, bySize: false, byTime: false, ...rules, nextMs: Infinity };
}
