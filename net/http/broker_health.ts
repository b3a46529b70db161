/**
 * What `/healthz` and `/readyz` say. Main isolate.
 *
 * Healthy: the main isolate answers, and no shard hangs in a turn. So a supervisor restarts a broker that does not come back by itself, and
 * nothing else: while it recovers its logs it is healthy. Ready: it leads every partition that its metadata says it leads.
 */
import { emptyWatermarks, isLed, partitionState } from "../../partitions/control.ts";
import { firstNames } from "../../storage/base/first_names.ts";
import type { PageText } from "./http_messages.ts";
import type { MetricSources } from "./families/metric_sources.ts";

/** What says which partitions are led. */
export type LedSources = Pick<MetricSources, "config" | "image" | "watermarks">;

/** Partitions that an answer names at most. */
const NAMED_MAX = 10;

/** Whether the shards turn: looked at again and again (partitions/shared/turn_watch.ts). */
export interface ShardWatch {
  allTurn(): boolean;
}

/** `/healthz`. @param watch null while the broker starts: its shards open logs, which may take any time */
export function healthPage(watch: ShardWatch | null): PageText {
  if (watch === null) return said(200, "alive: the broker starts");
  return watch.allTurn() ? said(200, "alive") : said(503, "a shard hangs: it has ended no turn for seconds");
}

/** `/readyz`. @param sources null while the broker starts or stops, for which `why` is the sentence */
export function readyPage(sources: LedSources | null, why: string): PageText {
  if (sources === null) return said(503, `not ready: ${why}`);
  const { image, config: { nodeId } } = sources;
  const state = image.brokers.get(nodeId)?.state ?? "not registered";
  if (state !== "active") return said(503, `not ready: the broker is ${state} in its cluster`);
  const { ledCount, unled } = leadership(sources);
  if (unled.length === 0) return said(200, `ready: the broker leads ${ledCount} partitions`);
  const names = firstNames(unled, { namedMax: NAMED_MAX });
  return said(503, `not ready: ${unled.length} partitions are not led that should be led here: ${names}`);
}

/** Compares what the metadata says with what the shards do. */
function leadership({ image, watermarks, config: { nodeId } }: LedSources): { ledCount: number; unled: string[] } {
  const values = emptyWatermarks();
  const unled: string[] = [];
  let ledCount = 0;
  for (const { name, partitions } of image.topics()) {
    for (const { partition, leader, slot } of partitions) {
      if (leader !== nodeId) continue;
      const isServed = slot >= 0 && isLed(watermarks.read(slot, values)) && values.state === partitionState.open;
      if (isServed) ledCount++;
      else unled.push(`${name}-${partition}`);
    }
  }
  return { ledCount, unled };
}

function said(status: PageText["status"], sentence: string): PageText {
  return { status, contentType: "text/plain; charset=utf-8", text: `${sentence}\n` };
}
