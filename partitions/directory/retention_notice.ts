/**
 * Tells the operator what retention removes: before it begins on a directory whose records it never applied to, and then each time. Main
 * isolate.
 *
 *   start ──► forecast of every shard ──► a line per topic ──► log.retention.check.interval.ms ──► first check begins: directory marked
 *
 * Versions before this one promised to keep all records, whatever `retention.ms` said. So the first start on such a directory says what
 * will go, when, and how to keep it; a start that adopts partitions does, too, because their settings stayed with their old broker.
 *
 * Always: the directory is marked only when the first check begins. A broker that is stopped before then announces it again, and removes
 * nothing before that start has waited for a whole interval.
 */
import type { RetentionEvent, TopicForecast } from "../retention/retention_events.ts";

/** Most topics with a line of their own. */
const TOPICS_MAX = 100;

/** What the notice needs. */
export interface RetentionNoticeParts {
  readonly shardsCount: number;
  /** `log.retention.check.interval.ms` */
  readonly checkMs: number;
  /** For a client's `--bootstrap-server`. */
  readonly bootstrapServers: string;
  /** Marks the directory, so that the next start announces nothing. */
  readonly mark: () => Promise<void>;
  /** Writes a sentence to the log, as a warning or as information. */
  readonly warn: (text: string) => void;
  readonly inform: (text: string) => void;
}

/** The notices of one broker. */
export class RetentionNotice {
  readonly #parts: RetentionNoticeParts;
  readonly #forecasts: TopicForecast[] = [];
  #missing: number;
  #isMarked = false;

  /** @param parts of the broker */
  constructor(parts: RetentionNoticeParts) {
    this.#parts = parts;
    this.#missing = parts.shardsCount;
  }

  /** Handles an event of a shard. */
  receive(event: RetentionEvent): void {
    switch (event.kind) {
      case "removed":
        return this.#parts.inform(event.text);
      case "began":
        return this.#mark();
      case "forecast":
        for (const topic of event.topics) this.#forecasts.push(topic);
        this.#missing--;
        if (this.#missing === 0) this.#announce();
    }
  }

  #announce(): void {
    const { checkMs, bootstrapServers, warn, inform } = this.#parts;
    const topics = addUp(this.#forecasts);
    if (topics.length === 0) return;
    const wait = durationOf(checkMs);
    warn(
      "Retention applies to this directory from now on: it removes old segments as retention.ms and retention.bytes of their topics say, " +
        `for the first time in ${wait}. Until then nothing is removed`,
    );
    for (const topic of topics.slice(0, TOPICS_MAX)) {
      const text = describeForecast(topic, { wait, bootstrapServers });
      if (topic.segments > 0) warn(text);
      else inform(text);
    }
    if (topics.length > TOPICS_MAX) warn(`… and ${topics.length - TOPICS_MAX} more topics with retention`);
  }

  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#parts.mark().catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      this.#parts.warn(`Cannot note that retention was announced: ${why}. The next start announces it again`);
    });
  }
}

/** Adds up the forecasts of all shards: topics that lose the most bytes first, then by name. */
function addUp(forecasts: readonly TopicForecast[]): TopicForecast[] {
  const byTopic = new Map<string, TopicForecast>();
  for (const forecast of forecasts) {
    const sum = byTopic.get(forecast.topic);
    byTopic.set(forecast.topic, sum === undefined ? forecast : added(sum, forecast));
  }
  return [...byTopic.values()].sort((a, b) => b.bytes - a.bytes || (a.topic < b.topic ? -1 : 1));
}

function added(one: TopicForecast, other: TopicForecast): TopicForecast {
  return {
    ...one,
    partitions: one.partitions + other.partitions,
    segments: one.segments + other.segments,
    bytes: one.bytes + other.bytes,
    bySize: one.bySize || other.bySize,
    byTime: one.byTime || other.byTime,
    nextMs: Math.min(one.nextMs, other.nextMs),
  };
}

/**
 * The line of one topic.
 * @param at how long the first check waits, and where the broker listens
 */
export function describeForecast(topic: TopicForecast, at: { wait: string; bootstrapServers: string }): string {
  const { segments, partitions, bytes, bySize, byTime, retentionMs, retentionBytes, nextMs } = topic;
  const rules = [
    ...(byTime || segments === 0 && retentionMs >= 0 ? [`retention.ms=${retentionMs}`] : []),
    ...(bySize || segments === 0 && retentionBytes >= 0 ? [`retention.bytes=${retentionBytes}`] : []),
  ];
  const by = rules.join(" and ");
  if (segments === 0) {
    const when = Number.isFinite(nextMs) ? `removes nothing before ${timeOf(nextMs)}` : "removes nothing for now";
    return `Topic ${topic.topic}: retention ${when} (${by})`;
  }
  const what = `${segments} ${segments === 1 ? "segment" : "segments"} (${sizeOf(bytes)})`;
  const where = `${partitions} ${partitions === 1 ? "partition" : "partitions"}`;
  const kept = rules.map((rule) => rule.replace(/=.*/, "=-1")).join(",");
  const command = `kafka-configs.sh --bootstrap-server ${at.bootstrapServers} --alter --entity-type topics ` +
    `--entity-name ${topic.topic} --add-config ${kept}`;
  return `Topic ${topic.topic}: retention removes ${what} of ${where} in ${at.wait} (${by}). To keep them: ${command}`;
}

function timeOf(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "the end of time" : date.toISOString();
}

function sizeOf(bytes: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function durationOf(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds % 60 === 0 && seconds > 0 ? `${seconds / 60} min` : `${seconds} s`;
}
