/**
 * What `/metrics` says, before it is text: families of samples, named as Kafka names them. The MBean's parts are kept apart, because those
 * who watch Kafka use three spellings of the same names (metric_spelling.ts), and one setting chooses between them. Plain data, any isolate.
 */

/** A metric of Kafka's Yammer library: `kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec`. Further key properties are labels. */
export interface BeanName {
  readonly group: string;
  readonly type: string;
  readonly name: string;
}

/** An attribute of Kafka's own metrics library: `kafka.server:type=raft-metrics`, `current-leader`. */
export interface AttributeName {
  readonly group: string;
  readonly type: string;
  readonly attribute: string;
}

/** A name that Kafka has, or one for Prometheus alone (`barnabas_…`, `process_…`, `kafka_consumergroup_lag`), the same in all spellings. */
export type MetricName = BeanName | AttributeName | string;

/** What tells the samples of a family apart. Names are Kafka's ("networkProcessor"); values are any text. */
export type MetricLabels = Readonly<Record<string, string>>;

/** A number. */
export interface Sample {
  readonly labels: MetricLabels;
  readonly value: number;
}

/** How long something was idle: Kafka's meter has nanoseconds for each thread, and the dashboards want a ratio or the nanoseconds. */
export interface IdleSample {
  readonly labels: MetricLabels;
  /** 0 to 1, on average since the start. */
  readonly ratio: number;
  /** Since the start. */
  readonly nanoseconds: number;
}

/** A distribution. */
export interface HistogramSample {
  readonly labels: MetricLabels;
  /** Upper bounds of the buckets, ascending, in the unit of the name. */
  readonly bounds: readonly number[];
  /** Number of values in each bucket, then of those above all bounds. */
  readonly counts: readonly number[];
  /** Of all values. */
  readonly sum: number;
}

/** One of several words: the label that is named like the metric has it. */
export interface StateSample {
  readonly labels: MetricLabels;
  readonly state: string;
}

/** Everything under one name. Samples may be made while they are read, so that no list of a broker's partitions has to exist. */
export type MetricFamily =
  & { readonly name: MetricName; /** A sentence without its full stop. */ readonly help: string }
  & (
    /** Counts events since the start: a meter of Kafka ("…PerSec"), an attribute ("…-total"), a name of our own ("…_total"). */
    | { readonly kind: "counter"; readonly samples: Iterable<Sample> }
    | { readonly kind: "gauge"; readonly samples: Iterable<Sample> }
    | { readonly kind: "idle"; readonly samples: Iterable<IdleSample> }
    /** Quantiles under a name of Kafka's, buckets under one of our own. */
    | { readonly kind: "histogram"; readonly samples: Iterable<HistogramSample> }
    | { readonly kind: "state"; readonly samples: Iterable<StateSample> }
  );

/**
 * The value below which a share of a distribution lies, as a straight line through its bucket.
 * @param share 0 to 1
 * @returns 0 for a distribution of nothing; the largest bound where the value lies above all bounds
 */
export function quantileOf({ bounds, counts }: Pick<HistogramSample, "bounds" | "counts">, share: number): number {
  let left = share * counts.reduce((sum, count) => sum + count, 0);
  let value = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count === 0) continue;
    const from = bucket === 0 ? 0 : bounds[bucket - 1] as number;
    value = from + ((bounds[bucket] ?? from) - from) * Math.min(1, left / count);
    if (left <= count) break;
    left -= count;
  }
  return value;
}
