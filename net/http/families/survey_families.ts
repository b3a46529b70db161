/**
 * What the shards say of themselves: memory by who holds it, what waits, fetch sessions, cold reads, logs and flushes. V8's garbage
 * collections are missing: Deno tells nobody of them (its PerformanceObserver gets no "gc" entries). Main isolate.
 */
import type { ShardNumbers } from "../../shards/metrics/shard_survey.ts";
import type { ShardSurvey } from "../../shards/metrics/shard_surveys.ts";
import type { MetricFamily, Sample } from "../metric_family.ts";
import { kafkaName, single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";
import { ofEach } from "./partition_families.ts";
import type { PartitionRow } from "./partition_rows.ts";
import { histogramSample } from "./request_families.ts";

const MEMORY: readonly (readonly [owner: string, of: keyof ShardNumbers])[] = [
  ["heap-used", "heapUsedBytes"],
  ["heap-committed", "heapTotalBytes"],
  ["external", "externalBytes"],
  ["arena", "arenaUsedBytes"],
  ["unsent-answers", "answerBytes"],
  ["requests", "requestBytes"],
  ["decoded-requests", "weightBytes"],
];

/** Families of the surveys. @param rows the partitions that have series of their own */
export function surveyFamilies(
  { pool: { counters } }: MetricSources,
  { surveys, rows }: { surveys: readonly ShardSurvey[]; rows: readonly PartitionRow[] },
): MetricFamily[] {
  const total = (of: (numbers: ShardNumbers) => number) => surveys.reduce((sum, { numbers }) => sum + of(numbers), 0);
  const logOf = ({ slot }: PartitionRow) => {
    for (const { logs } of surveys) {
      const log = logs.get(slot);
      if (log !== undefined) return log;
    }
    return undefined;
  };
  const known = rows.filter((row) => logOf(row) !== undefined);
  return [
    ...memoryFamilies(surveys),
    {
      kind: "gauge",
      name: kafkaName("kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize"),
      help: "Operations that wait, by what they are",
      samples: waitingSamples(surveys),
    },
    single("gauge", kafkaName("kafka.server:type=FetchSessionCache,name=NumIncrementalFetchSessions"), {
      help: "Fetch sessions of clients",
      value: total(({ fetchSessions }) => fetchSessions),
    }),
    single("gauge", kafkaName("kafka.server:type=FetchSessionCache,name=NumIncrementalFetchPartitionsCached"), {
      help: "Partitions in fetch sessions of clients",
      value: total(({ fetchSessionPartitions }) => fetchSessionPartitions),
    }),
    single("counter", kafkaName("kafka.server:type=FetchSessionCache,name=IncrementalFetchSessionEvictionsPerSec"), {
      help: "Fetch sessions that ended because others needed their place",
      value: total(({ fetchSessionsEvicted }) => fetchSessionsEvicted),
    }),
    ofShards("counter", "barnabas_cold_reads_total", {
      help: "Slices of files that were not in the page cache when they were to be sent",
      surveys,
      valueOf: ({ coldSlices }) => coldSlices,
    }),
    {
      kind: "counter",
      name: "barnabas_sent_slices_total",
      help: "Slices of files in answers: sent by the kernel, or copied because they were small",
      samples: surveys.flatMap(({ shard, numbers }): Sample[] => [
        { labels: { shard: String(shard), way: "sendfile" }, value: numbers.sentSlices },
        { labels: { shard: String(shard), way: "copy" }, value: numbers.copiedSlices },
      ]),
    },
    ofShards("gauge", "barnabas_operations_in_flight", {
      help: "Operations that wait for another shard or thread",
      surveys,
      valueOf: ({ operationsInFlight }) => operationsInFlight,
    }),
    ofShards("gauge", "barnabas_shard_connections", {
      help: "Open connections of a shard",
      surveys,
      valueOf: ({ connections }) => connections,
    }),
    ofEach(known, "kafka.log:type=Log,name=Size", {
      help: "Bytes of a log",
      valueOf: (row) => logOf(row)?.bytes ?? 0,
    }),
    ofEach(known, "kafka.log:type=Log,name=NumLogSegments", {
      help: "Segments of a log",
      valueOf: (row) => logOf(row)?.segments ?? 0,
    }),
    {
      kind: "histogram",
      name: kafkaName("kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs"),
      help: "Time that the flush of a log took, in ms",
      samples: [histogramSample({}, [counters.flushTimes()])],
    },
  ];
}

function memoryFamilies(surveys: readonly ShardSurvey[]): MetricFamily[] {
  return [{
    kind: "gauge",
    name: "barnabas_shard_memory_bytes",
    help: "Memory of a shard by who holds it; unsent answers and requests are a part of the arena",
    samples: surveys.flatMap(({ shard, numbers }) =>
      MEMORY.map(([owner, of]): Sample => ({
        labels: { shard: String(shard), owner },
        value: numbers[of] as number,
      }))
    ),
  }];
}

/** Kafka's two purgatories are always there. */
function waitingSamples(surveys: readonly ShardSurvey[]): Sample[] {
  const counts = new Map([["Produce", 0], ["Fetch", 0]]);
  for (const { numbers: { waiting } } of surveys) {
    for (const [kind, count] of Object.entries(waiting)) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return [...counts].map(([delayedOperation, value]) => ({ labels: { delayedOperation }, value }));
}

function ofShards(
  kind: "counter" | "gauge",
  name: string,
  { help, surveys, valueOf }: {
    help: string;
    surveys: readonly ShardSurvey[];
    valueOf: (numbers: ShardNumbers) => number;
  },
): MetricFamily {
  const samples = surveys.map(({ shard, numbers }) => ({ labels: { shard: String(shard) }, value: valueOf(numbers) }));
  return { kind, name, help, samples };
}
