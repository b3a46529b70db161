/**
 * What Prometheus makes of the metrics: the queries of Strimzi's dashboards for Kafka, and of our own dashboard, are answered from a scrape of
 * brokers with a little load.
 */
import { strict as assert } from "node:assert";
import { type Broker, startBroker } from "../../mod.ts";
import { METRIC_SPELLINGS } from "../../partitions/config/broker/broker_http_settings.ts";
import { GroupMember } from "../group_member.ts";
import { KafkaClient } from "../kafka_client.ts";
import { withDirectory } from "../temporary_directory.ts";
import { append, fetchBatches } from "../topic_requests.ts";
import {
  type Dashboard,
  filledIn,
  metricsOf,
  ownDashboard,
  strimziDashboards,
  whyUnanswered,
} from "./metrics/dashboard_queries.ts";
import { checkMetrics, Prometheus } from "./metrics/prometheus.ts";
import { interopTest } from "./toolchain.ts";

/** Complaints of promtool about names that Kafka and kafka_exporter have, and that dashboards ask for. */
const OTHERS_NAMES =
  /^kafka_\w+ (use base unit "ratio" instead of "percent"|label names should be written in 'snake_case' not 'camelCase'|non-histogram and non-summary metrics should not have "_(sum|count)" suffix)$/;

/** Starts a broker of each spelling. */
async function startBrokers(stack: AsyncDisposableStack): Promise<Map<string, Broker>> {
  const brokers = new Map<string, Broker>();
  for (const names of METRIC_SPELLINGS) {
    const overrides = {
      "barnabas.http.port": "0",
      "barnabas.metrics.names": names,
      "barnabas.metrics.kafka.exporter": "true",
      "offsets.topic.num.partitions": "2",
    };
    brokers.set(
      names,
      stack.use(await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }], overrides })),
    );
  }
  return brokers;
}

/** Clients that produce, fetch and commit until they are disposed of. */
async function loadOf(broker: Broker): Promise<AsyncDisposable> {
  let isOver = false;
  const member = await GroupMember.connect(broker, "g");
  const client = await KafkaClient.connect(broker);
  await member.find();
  const running = (async () => {
    for (let round = 0; !isOver; round++) {
      const [code, baseOffset] = await append(client, "t", round % 2);
      assert.equal(code, 0);
      assert.equal((await fetchBatches(client, ["t", round % 2], baseOffset)).length, 1);
      assert.deepEqual(await member.commit("t", { [round % 2]: baseOffset }), [0]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      await running;
      client[Symbol.dispose]();
      member[Symbol.dispose]();
    },
  };
}

/** Asks the queries of a dashboard. @returns those that were not answered as they should be */
async function unanswered(prometheus: Prometheus, { dashboard, spelling, queries }: Dashboard): Promise<string[]> {
  const found: string[] = [];
  for (const { panel, query } of queries) {
    const reason = whyUnanswered(query);
    const series = await prometheus.query(filledIn(query, spelling));
    if (reason === null && series.length === 0) found.push(`${dashboard}: ${panel}: no answer to ${query}`);
    if (reason !== null && series.length > 0) found.push(`${dashboard}: ${panel}: an answer, though ${reason}`);
  }
  return found;
}

interopTest({
  name:
    "Prometheus answers the queries of Strimzi's dashboards and of ours from a scrape of a broker, and promtool reads the page",
  needs: ["prometheus"],
  fn: () =>
    withDirectory(async (directory) => {
      await using stack = new AsyncDisposableStack();
      const brokers = await startBrokers(stack);
      for (const broker of brokers.values()) stack.use(await loadOf(broker));
      const scraped = [...brokers].map(([namespace, { httpPort }]) => ({ namespace, httpPort: httpPort as number }));
      const prometheus = stack.use(await Prometheus.start(directory, scraped));
      const findings = [];
      for (const dashboard of [...strimziDashboards, ownDashboard()]) {
        for (const finding of await unanswered(prometheus, dashboard)) findings.push(finding);
      }
      assert.deepEqual(findings, []);
      for (const { namespace, httpPort } of scraped) {
        const page = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
        const complaints = await checkMetrics(page);
        const unknown = complaints.filter((line) => !OTHERS_NAMES.test(line));
        assert.deepEqual(unknown, [], namespace);
      }
    }),
});

Deno.test("the list of Strimzi's queries is complete, and each query without a counterpart has a reason", () => {
  const counts = strimziDashboards.map(({ queries }) => queries.length);
  assert.deepEqual(counts, [38, 24, 20, 38, 24]);
  const reasons = strimziDashboards.flatMap(({ queries }) =>
    queries.filter(({ query }) => whyUnanswered(query) !== null)
  );
  assert.equal(reasons.length, 28, "seven panels of each dashboard of brokers");
  assert.deepEqual(metricsOf('sum(irate(kafka_a_total{topic!="",x_y="z"}[5m])) by (pod_name)'), ["kafka_a_total"]);
});
