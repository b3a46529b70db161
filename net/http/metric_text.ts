/**
 * Families as text: Prometheus' text format, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). Pure.
 */
import type { MetricSpelling } from "../../partitions/config/broker/broker_http_settings.ts";
import { type HistogramSample, type MetricFamily, type MetricLabels, quantileOf } from "./metric_family.ts";
import { spelled, spelledLabel } from "./metric_spelling.ts";

/** What an HTTP answer with this text says of it. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Kafka's quantiles, as jmx_exporter writes them; the library of metrics-reporter writes numbers without trailing zeros. */
const QUANTILES = ["0.50", "0.75", "0.95", "0.98", "0.99", "0.999"] as const;

/** The lines of a family. Each is made when the one before it has been taken, so that a reader may pause. None for a family without samples. */
export function* metricLines(family: MetricFamily, spelling: MetricSpelling): Generator<string, void> {
  const { name, type } = spelled(family, spelling);
  let isFirst = true;
  for (const line of sampleLines(family, { name, spelling })) {
    if (isFirst) yield `# HELP ${name} ${escapedHelp(family.help)}\n# TYPE ${name} ${type}\n`;
    isFirst = false;
    yield line;
  }
}

interface Spelled {
  readonly name: string;
  readonly spelling: MetricSpelling;
}

function* sampleLines(family: MetricFamily, about: Spelled): Generator<string, void> {
  const { name, spelling } = about;
  switch (family.kind) {
    case "counter":
    case "gauge":
      for (const { labels, value } of family.samples) yield line(name, labelText(labels, spelling), value);
      return;
    case "idle":
      for (const { labels, ratio, nanoseconds } of family.samples) {
        yield line(name, labelText(labels, spelling), spelling === "jmx-exporter" ? ratio : nanoseconds);
      }
      return;
    case "state":
      for (const { labels, state } of family.samples) {
        const label = typeof family.name === "object" && "attribute" in family.name ? family.name.attribute : "state";
        yield line(name, labelText({ ...labels, [label.replaceAll("-", "_")]: state }, spelling), 1);
      }
      return;
    case "histogram":
      for (const sample of family.samples) {
        yield typeof family.name === "string" ? bucketLines(sample, about) : quantileLines(sample, about);
      }
  }
}

function bucketLines({ labels, bounds, counts, sum }: HistogramSample, { name, spelling }: Spelled): string {
  let text = "";
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    below += count;
    const le = bounds[bucket] ?? Infinity;
    text += line(`${name}_bucket`, labelText({ ...labels, le: numberText(le) }, spelling), below);
  }
  const plain = labelText(labels, spelling);
  return text + line(`${name}_sum`, plain, sum) + line(`${name}_count`, plain, below);
}

function quantileLines(sample: HistogramSample, { name, spelling }: Spelled): string {
  const { labels, counts, sum } = sample;
  let text = "";
  for (const share of QUANTILES) {
    const quantile = spelling === "strimzi-reporter" ? String(Number(share)) : share;
    text += line(name, labelText({ ...labels, quantile }, spelling), quantileOf(sample, Number(share)));
  }
  const plain = labelText(labels, spelling);
  const count = counts.reduce((all, one) => all + one, 0);
  if (spelling === "confluent") return text + line(name, plain, count);
  return text + line(`${name}_sum`, plain, sum) + line(`${name}_count`, plain, count);
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels} ${numberText(value)}\n`;
}

function labelText(labels: MetricLabels, spelling: MetricSpelling): string {
  let text = "";
  for (const label in labels) {
    text += `${text === "" ? "{" : ","}${spelledLabel(label, spelling)}="${escapedValue(labels[label] as string)}"`;
  }
  return text === "" ? "" : `${text}}`;
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

function escapedHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapedValue(text: string): string {
  return /[\\"\n]/.test(text) ? escapedHelp(text).replaceAll('"', '\\"') : text;
}
