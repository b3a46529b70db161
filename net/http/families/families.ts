/**
 * Makes families in fewer words. Pure.
 */
import type { MetricFamily, MetricName, Sample } from "../metric_family.ts";

/** A family of one sample without labels. */
export function single(
  kind: "counter" | "gauge",
  name: MetricName,
  about: { help: string; value: number },
): MetricFamily {
  return { kind, name, help: about.help, samples: [{ labels: {}, value: about.value }] };
}

/** A family of one sample for each of a list. @param label that tells them apart by their index @param values the list */
export function indexed(
  kind: "counter" | "gauge",
  name: MetricName,
  about: { help: string; label: string; values: readonly number[] },
): MetricFamily {
  const { help, label, values } = about;
  return {
    kind,
    name,
    help,
    samples: values.map((value, index): Sample => ({ labels: { [label]: String(index) }, value })),
  };
}

/** The name of a metric of Kafka's: "kafka.server:type=ReplicaManager,name=LeaderCount". */
export function kafkaName(text: string): { group: string; type: string; name: string } {
  const [, group = "", type = "", name = ""] = /^([\w.]+):type=([\w-]+),name=([\w-]+)$/.exec(text) ?? [];
  return { group, type, name };
}

/** The name of an attribute of Kafka's: "kafka.server:type=raft-metrics,current-leader". */
export function kafkaAttribute(text: string): { group: string; type: string; attribute: string } {
  const [, group = "", type = "", attribute = ""] = /^([\w.]+):type=([\w-]+),([\w-]+)$/.exec(text) ?? [];
  return { group, type, attribute };
}
