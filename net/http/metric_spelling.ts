/**
 * How a family is called, in the three spellings that dashboards for Kafka use. Pure.
 *
 * ```
 *   kafka.server:                          jmx-exporter (A)                strimzi-reporter (B)            confluent (C)
 *   type=BrokerTopicMetrics,               kafka_server_brokertopicmetrics_ …
 *     name=BytesInPerSec        counter      bytesin_total                   bytesinpersec_total             bytesinpersec
 *   type=KafkaRequestHandlerPool,          kafka_server_kafkarequesthandlerpool_ …
 *     name=RequestHandlerAvgIdlePercent      requesthandleravgidle_percent   requesthandleravgidlepercent_…  requesthandleravgidlepercent
 *                               idle         ratio                           _total, nanoseconds             nanoseconds
 *   a name with Percent         gauge      …_percent                       …percent                        …percent
 *   any other name              gauge      kafka_group_type_name in each
 *                               histogram  x{quantile}, x_sum, x_count     the same                        x{quantile}, x the count
 *   type=raft-metrics,                     kafka_server_raftmetrics_ …     kafka_server_raft_metrics_ …    as A
 *     current-leader            gauge        current_leader                  current_leader
 *     current-state             state        current_state{current_state}    current_state_info{…}           as A
 *   type=raft-channel-metrics,             kafka_server_raftchannelmetrics_ …
 *     request-total             counter      request_total                   request, a gauge                as A
 *   type=socket-server-metrics             kafka_server_socket_server_metrics_ … in A and B                kafka_server_socketservermetrics_ …
 * ```
 *
 * Sources: the rules of jmx_exporter in Strimzi's examples/metrics/kafka-metrics.yaml; YammerMetricWrapper, KafkaMetricWrapper and the
 * collectors of Strimzi's metrics-reporter; shared-assets/jmx-exporter/kafka_broker.yml of Confluent's jmx-monitoring-stacks.
 */
import type { MetricSpelling } from "../../partitions/config/broker/broker_http_settings.ts";
import type { AttributeName, BeanName, MetricFamily } from "./metric_family.ts";

/** How a family is told to Prometheus. */
export interface SpelledFamily {
  readonly name: string;
  readonly type: "counter" | "gauge" | "summary" | "histogram" | "untyped";
}

/** Suffixes that metrics-reporter's library takes from a name before it appends that of the type. */
const RESERVED_SUFFIX = /_(total|created|bucket|info)$/;
/** Types of attributes whose dashes jmx_exporter's rules of Strimzi leave out; it replaces those of all others. */
const JOINED_TYPES: ReadonlySet<string> = new Set(["raft-metrics", "raft-channel-metrics", "broker-metadata-metrics"]);
/** Labels that the rules of C spell in two words. */
const CONFLUENT_LABELS: Readonly<Record<string, string>> = { networkProcessor: "network_processor" };

/** The name and the type of a family. */
export function spelled({ name, kind }: Pick<MetricFamily, "name" | "kind">, spelling: MetricSpelling): SpelledFamily {
  if (typeof name === "string") return { name, type: kind === "idle" || kind === "state" ? "gauge" : kind };
  return "attribute" in name ? spelledAttribute(name, { kind, spelling }) : spelledBean(name, { kind, spelling });
}

/** The name of a label. */
export function spelledLabel(label: string, spelling: MetricSpelling): string {
  if (spelling !== "confluent") return label;
  return CONFLUENT_LABELS[label] ?? label.toLowerCase();
}

interface Wanted {
  readonly kind: MetricFamily["kind"];
  readonly spelling: MetricSpelling;
}

function spelledBean({ group, type, name }: BeanName, { kind, spelling }: Wanted): SpelledFamily {
  const prefix = `${safe(group)}_${safe(type)}`;
  if (kind === "histogram") {
    return { name: `${prefix}_${safe(name)}`, type: spelling === "confluent" ? "untyped" : "summary" };
  }
  if (spelling === "jmx-exporter") {
    const percent = /^(.+)Percent\w*$/.exec(name);
    if (percent !== null) return { name: `${prefix}_${safe(percent[1] as string)}_percent`, type: "gauge" };
    if (kind !== "counter") return { name: `${prefix}_${safe(name)}`, type: "gauge" };
    return { name: `${prefix}_${safe(name.replace(/PerSec\w*$/, ""))}_total`, type: "counter" };
  }
  const whole = `${prefix}_${safe(name)}`;
  const counts = kind === "counter" || kind === "idle";
  if (!counts) return { name: whole, type: "gauge" };
  return spelling === "confluent" ? { name: whole, type: "untyped" } : { name: `${whole}_total`, type: "counter" };
}

function spelledAttribute({ group, type, attribute }: AttributeName, { kind, spelling }: Wanted): SpelledFamily {
  if (spelling === "strimzi-reporter") {
    const name = `${safe(group)}_${safe(type)}_${safe(attribute)}`.replace(RESERVED_SUFFIX, "");
    return { name: kind === "state" ? `${name}_info` : name, type: "gauge" };
  }
  const isJoined = spelling === "confluent" || JOINED_TYPES.has(type);
  const name = `${safe(group)}_${safe(isJoined ? type.replaceAll("-", "") : type)}_${safe(attribute)}`;
  return { name, type: kind === "counter" ? "counter" : "gauge" };
}

/** In lower case, with what Prometheus takes in a name. */
function safe(part: string): string {
  return part.toLowerCase().replace(/[^a-z0-9_]/g, "_");
}
