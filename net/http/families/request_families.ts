/**
 * Requests, by the names of Kafka's RequestMetrics. Fetches are there three times, as in Kafka: all, those of consumers and those of
 * followers. Main isolate.
 */
import {
  BUCKET_BOUNDS_MS,
  FETCH,
  FOLLOWER_FETCH,
  type HistogramCounts,
  OTHER_CODES,
  requestTime,
} from "../../../partitions/control.ts";
import { errorName } from "../../protocol/error_codes.ts";
import type { ShardSurvey } from "../../shards/metrics/shard_surveys.ts";
import type { HistogramSample, MetricFamily, MetricLabels, Sample } from "../metric_family.ts";
import { single } from "./families.ts";
import type { MetricSources } from "./metric_sources.ts";

/** The parts of a request's time, by Kafka's names. */
const TIMES: readonly (readonly [name: string, time: keyof typeof requestTime, help: string])[] = [
  ["TotalTimeMs", "total", "Time of a request from its arrival until its answer was sent, in ms"],
  ["RequestQueueTimeMs", "queue", "Time until the handler of a request began, in ms"],
  ["LocalTimeMs", "local", "Time in the handler of a request, in ms"],
  [
    "RemoteTimeMs",
    "remote",
    "Time a request waited for others: shards, flushes, replicas, records, members; in ms",
  ],
  ["ResponseQueueTimeMs", "responseQueue", "Time until an answer began to be sent, in ms"],
  ["ResponseSendTimeMs", "responseSend", "Time in which an answer was sent, in ms"],
];

/** What one series counts: APIs whose counts are added. */
interface Counted {
  readonly request: string;
  readonly keys: readonly number[];
}

/** Families of the requests. @param surveys of the shards, which know the names of the APIs; there are none without one */
export function requestFamilies(
  { pool: { counters } }: MetricSources,
  surveys: readonly ShardSurvey[],
): MetricFamily[] {
  const requestsOf = ({ keys }: Counted) => sumOf(keys, (key) => counters.requests(key));
  const counted = countedApis(surveys).filter((each) => requestsOf(each) > 0);
  const times = TIMES.map(([name, time, help]) => {
    const samples = counted.map(({ request, keys }) =>
      histogramSample({ request }, keys.map((key) => counters.requestTimes(key, requestTime[time])))
    );
    return { name, time, help, samples };
  });
  return [
    ofRequests("counter", "RequestsPerSec", {
      help: "Requests",
      samples: counted.map((each) => ({ labels: { request: each.request }, value: requestsOf(each) })),
    }),
    ofRequests("counter", "ErrorsPerSec", {
      help: "Error codes in answers, each as often as the answer has it; NONE: answers without any",
      samples: counted.flatMap(({ request, keys }) => errorSamples(request, keys.map((key) => counters.errors(key)))),
    }),
    ...times.map(({ name, help, samples }): MetricFamily => ({
      kind: "histogram",
      name: { group: "kafka.network", type: "RequestMetrics", name },
      help,
      samples,
    })),
    {
      kind: "histogram",
      name: "barnabas_request_seconds",
      help: "The same times in buckets, which can be added over brokers, and subtracted for any span of time",
      samples: times.flatMap(({ time, samples }) => samples.map((sample) => inBuckets(sample, { part: time }))),
    },
    {
      kind: "histogram",
      name: "barnabas_flush_seconds",
      help: "How long flushes of logs took, until the disk had them",
      samples: [inBuckets(histogramSample({}, [counters.flushTimes()]))],
    },
    ...["RequestQueueSize", "ResponseQueueSize"].map((name) =>
      single("gauge", { group: "kafka.network", type: "RequestChannel", name }, {
        help: "0: the shard that receives a request handles it and sends the answer, without a queue between threads",
        value: 0,
      })
    ),
  ];
}

/** A sample of histograms that are added. Bounds are in ms. */
export function histogramSample(labels: MetricLabels, histograms: readonly HistogramCounts[]): HistogramSample {
  const counts = new Array<number>(BUCKET_BOUNDS_MS.length + 1).fill(0);
  let sum = 0;
  for (const histogram of histograms) {
    sum += histogram.sumMs;
    for (const [bucket, count] of histogram.counts.entries()) counts[bucket] = (counts[bucket] as number) + count;
  }
  return { labels, bounds: BUCKET_BOUNDS_MS, counts, sum };
}

/** Buckets that are shown: up to each power of two microseconds, from 64 µs to 17 s. */
const SHOWN = BUCKET_BOUNDS_MS.flatMap((ms, bucket) => {
  const exponent = Math.log2(ms * 1000);
  return Number.isInteger(exponent) && exponent >= 6 && exponent <= 24 ? [bucket] : [];
});
const SHOWN_BOUNDS = SHOWN.map((bucket) => (BUCKET_BOUNDS_MS[bucket] as number) / 1000);

/** The same distribution in seconds, and in fewer buckets. @param labels further ones */
function inBuckets({ labels, counts, sum }: HistogramSample, others: MetricLabels = {}): HistogramSample {
  const merged = new Array<number>(SHOWN.length + 1).fill(0);
  let shown = 0;
  for (const [bucket, count] of counts.entries()) {
    if (bucket > (SHOWN[shown] ?? Infinity)) shown++;
    merged[shown] = (merged[shown] as number) + count;
  }
  return { labels: { ...labels, ...others }, bounds: SHOWN_BOUNDS, counts: merged, sum: sum / 1000 };
}

function countedApis(surveys: readonly ShardSurvey[]): Counted[] {
  return (surveys[0]?.apis ?? []).flatMap(({ key, name }) =>
    key !== FETCH ? [{ request: name, keys: [key] }] : [
      { request: name, keys: [FETCH, FOLLOWER_FETCH] },
      { request: `${name}Consumer`, keys: [FETCH] },
      { request: `${name}Follower`, keys: [FOLLOWER_FETCH] },
    ]
  );
}

function errorSamples(request: string, errors: readonly (readonly (readonly [number, number])[])[]): Sample[] {
  const byName = new Map<string, number>();
  for (const [code, count] of errors.flat()) {
    const error = code === OTHER_CODES ? "OTHER" : errorName(code);
    byName.set(error, (byName.get(error) ?? 0) + count);
  }
  return [...byName].map(([error, value]) => ({ labels: { request, error }, value }));
}

function ofRequests(kind: "counter", name: string, of: { help: string; samples: readonly Sample[] }): MetricFamily {
  return { kind, name: { group: "kafka.network", type: "RequestMetrics", name }, ...of };
}

function sumOf(keys: readonly number[], valueOf: (key: number) => number): number {
  return keys.reduce((sum, key) => sum + valueOf(key), 0);
}
