/**
 * The queries of public dashboards for Kafka, and of our own, as Grafana would ask them. Test code.
 */
import strimzi from "./strimzi_queries.json" with { type: "json" };
import grafana from "../../../packaging/grafana/barnabas.json" with { type: "json" };

/** A query of a dashboard. */
export interface DashboardQuery {
  /** The panel, or "$name" for a variable of the dashboard. */
  readonly panel: string;
  readonly query: string;
}

/** A dashboard. */
export interface Dashboard {
  readonly dashboard: string;
  /** `barnabas.metrics.names` */
  readonly spelling: string;
  readonly queries: readonly DashboardQuery[];
}

/** Strimzi's dashboards; the file names their source. */
export const strimziDashboards: readonly Dashboard[] = strimzi.dashboards;

/** Metrics of Strimzi's dashboards that no broker of ours has, with the reason. */
export const WITHOUT_COUNTERPART: readonly (readonly [metric: RegExp, reason: string])[] = [
  [/^container_/, "cAdvisor of Kubernetes says it of a container"],
  [/^kubelet_/, "the kubelet of Kubernetes says it of a volume"],
  [/^jvm_/, "there is no JVM: barnabas_shard_heap_bytes and barnabas_turn_seconds say what is comparable"],
];

/** Our own dashboard. */
export function ownDashboard(): Dashboard {
  const panels = grafana.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ panel: title, query: expr }))
  );
  const variables = grafana.templating.list.flatMap(({ name, query }) =>
    typeof query === "object" ? [{ panel: `$${name}`, query: query.query }] : []
  );
  return { dashboard: "packaging/grafana/barnabas.json", spelling: "jmx-exporter", queries: [...panels, ...variables] };
}

/** Names of metrics in a query. */
export function metricsOf(query: string): string[] {
  const withoutLabels = query.replace(/\{[^}]*\}/g, "{}").replace(/\bby\s*\([^)]*\)/g, "");
  return [...new Set(withoutLabels.match(/\b[a-z]+_[a-z0-9_]*[a-z0-9]\b(?!\s*\()/g) ?? [])];
}

/** Why no broker of ours answers a query; null when one does. */
export function whyUnanswered(query: string): string | null {
  const [first = ""] = metricsOf(query);
  return WITHOUT_COUNTERPART.find(([metric]) => metric.test(first))?.[1] ?? null;
}

/** The query with values for the dashboard's variables, in PromQL. @param namespace of the broker that is asked */
export function filledIn(query: string, namespace: string): string {
  const [, inner = query] = /^(?:query_result|label_values)\((.*?)(?:, \w+)?\)$/s.exec(query) ?? [];
  const values: Readonly<Record<string, string>> = {
    kubernetes_namespace: namespace,
    strimzi_cluster_name: "my-cluster",
    kafka_broker: "kafka-0",
    kraft_node: "kafka-0",
    job: "barnabas",
    __rate_interval: "1m",
  };
  return inner.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? ".+");
}
