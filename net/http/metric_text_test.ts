import { strict as assert } from "node:assert";
import type { MetricSpelling } from "../../partitions/config/broker/broker_http_settings.ts";
import type { MetricFamily } from "./metric_family.ts";
import { metricLines } from "./metric_text.ts";

function text(family: MetricFamily, spelling: MetricSpelling = "jmx-exporter"): string {
  return [...metricLines(family, spelling)].join("");
}

Deno.test("metricLines() writes help and type once, and escapes what Prometheus would take for its own", () => {
  const family: MetricFamily = {
    name: { group: "kafka.server", type: "BrokerTopicMetrics", name: "BytesInPerSec" },
    kind: "counter",
    help: "Bytes of a\\b\nin one line",
    samples: [{ labels: {}, value: 3 }, { labels: { topic: 'a"b\\c\nd', clientId: "é" }, value: 2 ** 53 }],
  };
  assert.equal(
    text(family),
    "# HELP kafka_server_brokertopicmetrics_bytesin_total Bytes of a\\\\b\\nin one line\n" +
      "# TYPE kafka_server_brokertopicmetrics_bytesin_total counter\n" +
      "kafka_server_brokertopicmetrics_bytesin_total 3\n" +
      'kafka_server_brokertopicmetrics_bytesin_total{topic="a\\"b\\\\c\\nd",clientId="é"} 9007199254740992\n',
  );
});

Deno.test("metricLines() of a family without samples is nothing, and odd numbers are Go's", () => {
  const about = { name: "barnabas_x", kind: "gauge", help: "X" } as const;
  assert.equal(text({ ...about, samples: [] }), "");
  const odd = [NaN, Infinity, -Infinity, -1, 1e21, 1e-7].map((value) => ({ labels: {}, value }));
  const lines = text({ ...about, samples: odd }).split("\n").slice(2, -1);
  const expected = ["NaN", "+Inf", "-Inf", "-1", "1e+21", "1e-7"].map((value) => `barnabas_x ${value}`);
  assert.deepEqual(lines, expected);
});

Deno.test("metricLines() writes a distribution as quantiles under Kafka's name, and as buckets under one of our own", () => {
  const samples = [{ labels: { request: "Fetch" }, bounds: [1, 2], counts: [2, 0, 2], sum: 9.5 }];
  const ofKafka: MetricFamily = {
    name: { group: "kafka.network", type: "RequestMetrics", name: "TotalTimeMs" },
    kind: "histogram",
    help: "Time",
    samples,
  };
  const name = "kafka_network_requestmetrics_totaltimems";
  const quantiles = (shares: string[], values: number[]) =>
    shares.map((share, at) => `${name}{request="Fetch",quantile="${share}"} ${values[at]}\n`).join("");
  const values = [1, 2, 2, 2, 2, 2];
  const sumAndCount = `${name}_sum{request="Fetch"} 9.5\n${name}_count{request="Fetch"} 4\n`;
  assert.equal(
    text(ofKafka),
    `# HELP ${name} Time\n# TYPE ${name} summary\n` +
      quantiles(["0.50", "0.75", "0.95", "0.98", "0.99", "0.999"], values) + sumAndCount,
  );
  assert.equal(
    text(ofKafka, "strimzi-reporter"),
    `# HELP ${name} Time\n# TYPE ${name} summary\n` +
      quantiles(["0.5", "0.75", "0.95", "0.98", "0.99", "0.999"], values) + sumAndCount,
  );
  assert.equal(
    text(ofKafka, "confluent"),
    `# HELP ${name} Time\n# TYPE ${name} untyped\n` +
      quantiles(["0.50", "0.75", "0.95", "0.98", "0.99", "0.999"], values) + `${name}{request="Fetch"} 4\n`,
  );
  assert.equal(
    text({ name: "barnabas_request_seconds", kind: "histogram", help: "Time", samples }),
    "# HELP barnabas_request_seconds Time\n# TYPE barnabas_request_seconds histogram\n" +
      'barnabas_request_seconds_bucket{request="Fetch",le="1"} 2\n' +
      'barnabas_request_seconds_bucket{request="Fetch",le="2"} 2\n' +
      'barnabas_request_seconds_bucket{request="Fetch",le="+Inf"} 4\n' +
      'barnabas_request_seconds_sum{request="Fetch"} 9.5\nbarnabas_request_seconds_count{request="Fetch"} 4\n',
  );
});

Deno.test("metricLines() writes idle time as a ratio or as nanoseconds, and a state as a label", () => {
  const idle: MetricFamily = {
    name: { group: "kafka.server", type: "KafkaRequestHandlerPool", name: "RequestHandlerAvgIdlePercent" },
    kind: "idle",
    help: "Idle",
    samples: [{ labels: {}, ratio: 0.75, nanoseconds: 3e9 }],
  };
  assert.ok(text(idle).endsWith("requesthandleravgidle_percent 0.75\n"));
  assert.ok(text(idle, "strimzi-reporter").endsWith("requesthandleravgidlepercent_total 3000000000\n"));
  const state: MetricFamily = {
    name: { group: "kafka.server", type: "raft-metrics", attribute: "current-state" },
    kind: "state",
    help: "State",
    samples: [{ labels: {}, state: "leader" }],
  };
  assert.ok(text(state).endsWith('kafka_server_raftmetrics_current_state{current_state="leader"} 1\n'));
  assert.ok(text(state, "strimzi-reporter").endsWith('current_state_info{current_state="leader"} 1\n'));
});

Deno.test("metricLines() makes a sample when it is read, not before", () => {
  let made = 0;
  function* samples() {
    for (; made < 1000; made++) yield { labels: {}, value: made };
  }
  const lines = metricLines({ name: "barnabas_x", kind: "gauge", help: "X", samples: samples() }, "jmx-exporter");
  lines.next();
  assert.equal(made, 0, "the head");
  lines.next();
  lines.next();
  assert.equal(made, 1);
});
