/**
 * The HTTP listener of a broker: what it says through the broker's life, and that hostile clients of it do not disturb those of Kafka.
 */
import { strict as assert } from "node:assert";
import { startBroker, startCluster, StartupError } from "../mod.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { BrokerHttp } from "../net/http/broker_http.ts";
import { KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { runtimeClosure } from "./tidy/layering.ts";
import { sources } from "./tidy/repository.ts";
import { produceTo } from "./topic_requests.ts";

const SCRAPE = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n";

/** A broker with the listener. */
function startWithHttp(overrides: Readonly<Record<string, string>> = {}) {
  const topics = [{ name: "t", partitions: 3 }];
  return startBroker({ port: 0, shards: 2, topics, overrides: { "barnabas.http.port": "0", ...overrides } });
}

async function get(port: number | null, path: string): Promise<{ status: number; type: string | null; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

Deno.test("a broker with barnabas.http.port answers /metrics, /healthz and /readyz, and nothing after its end", async () => {
  const broker = await startWithHttp();
  try {
    const metrics = await get(broker.httpPort, "/metrics");
    assert.equal(metrics.status, 200);
    assert.equal(metrics.type, "text/plain; version=0.0.4; charset=utf-8");
    for (
      const line of [
        "kafka_server_kafkaserver_brokerstate 3",
        "kafka_server_replicamanager_leadercount 3",
        "kafka_controller_kafkacontroller_activecontrollercount 1",
        'kafka_cluster_partition_replicascount{topic="t",partition="2"} 1',
        'barnabas_turn_seconds_bucket{shard="1",le="+Inf"}',
      ]
    ) assert.ok(metrics.text.includes(`\n${line}`), line);
    assert.equal((await get(broker.httpPort, "/healthz")).status, 200);
    assert.deepEqual(await get(broker.httpPort, "/readyz"), {
      status: 200,
      type: "text/plain; charset=utf-8",
      text: "ready: the broker leads 3 partitions\n",
    });
  } finally {
    await broker.close();
  }
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: broker.httpPort as number }));
});

Deno.test("barnabas.metrics.names chooses the spelling of the metrics", async () => {
  await using broker = await startWithHttp({ "barnabas.metrics.names": "strimzi-reporter" });
  assert.match((await get(broker.httpPort, "/metrics")).text, /\nkafka_server_raft_metrics_current_leader 1\n/);
});

Deno.test("the brokers of a cluster tell each their part of it: one is the controller, and each partition has one leader", async () => {
  const topics = [{ name: "t", partitions: 6 }];
  const overrides = {
    "barnabas.http.port": "0",
    "barnabas.metrics.kafka.exporter": "true",
    "default.replication.factor": "3",
  };
  await using cluster = await startCluster({ topics, overrides });
  const sums = new Map<string, number>();
  for (const { httpPort } of cluster.brokers) {
    assert.equal((await get(httpPort, "/readyz")).status, 200);
    for (const [, name = "", value] of (await get(httpPort, "/metrics")).text.matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)) {
      sums.set(name, (sums.get(name) ?? 0) + Number(value));
    }
  }
  const expected = {
    kafka_controller_kafkacontroller_activecontrollercount: 1,
    kafka_server_replicamanager_leadercount: 6,
    kafka_server_replicamanager_partitioncount: 18,
    kafka_cluster_partition_replicascount: 3 * 18,
    kafka_server_replicamanager_underminisrpartitioncount: 0,
    kafka_controller_kafkacontroller_globalpartitioncount: 3 * 6,
    kafka_brokers: 3,
    kafka_topic_partitions: 6,
    kafka_topic_partition_replicas: 18,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, sums.get(name)])), expected);
  assert.ok((sums.get("barnabas_membership_transactions_total") ?? 0) > 0);
});

Deno.test("a port that is taken is refused with a sentence that names the flag", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = { "barnabas.http.port": String(listener.addr.port) };
  await assert.rejects(startWithHttp(taken), (error) => {
    assert.ok(error instanceof StartupError);
    assert.match(
      error.message,
      /^127\.0\.0\.1:\d+ is in use: stop the program that listens there, or choose another --http$/,
    );
    return true;
  });
  await assert.rejects(
    startWithHttp({ "barnabas.http.host": "203.0.113.1" }),
    /203\.0\.113\.1:0 .*barnabas\.http\.host/,
  );
});

Deno.test("BrokerHttp is alive and not ready before the broker serves, and not ready when it stops", async () => {
  const settings = { host: "127.0.0.1", port: 0, names: "jmx-exporter", speaksForExporter: false } as const;
  await using http = new BrokerHttp(settings, { inform: () => {}, warn: () => {} });
  const port = await http.listening();
  assert.deepEqual(await get(port, "/healthz"), {
    status: 200,
    type: "text/plain; charset=utf-8",
    text: "alive: the broker starts\n",
  });
  assert.match((await get(port, "/readyz")).text, /^not ready: the broker starts/);
  assert.match((await get(port, "/metrics")).text, /^process_open_fds \d+$/m);
  http.stopping();
  assert.match((await http.page("ready")).text, /^not ready: the broker stops/);
});

Deno.test("a broker without the listener loads none of its code", () => {
  const byPath = new Map(sources.map((file) => [file.path, file]));
  const ofHttp = (options: { isSameIsolate: boolean; isAtStart?: boolean }) =>
    [...runtimeClosure("main.ts", byPath, options)].filter((path) => path.startsWith("net/http/"));
  assert.ok(ofHttp({ isSameIsolate: true }).length > 5);
  assert.deepEqual(ofHttp({ isSameIsolate: true, isAtStart: true }), []);
});

/** Opens connections that do something, and closes them all. */
class Crowd implements AsyncDisposable {
  readonly #port: number;
  readonly #connections: Deno.TcpConn[] = [];
  readonly #tasks: Promise<unknown>[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  /** @param act what each connection does; it may fail, because the listener closes it */
  add(count: number, act: (connection: Deno.TcpConn) => Promise<unknown>): void {
    for (let at = 0; at < count; at++) this.#tasks.push(this.#one(act).catch(() => null));
  }

  /** Settles when all have done what they do. */
  async done(): Promise<void> {
    await Promise.all(this.#tasks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close();
    await this.done();
  }

  async #one(act: (connection: Deno.TcpConn) => Promise<unknown>): Promise<void> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    this.#connections.push(connection);
    await act(connection);
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("1,000 scrapers, garbage, half requests and readers that never read leave the main isolate, Kafka's clients and a probe alone", async () => {
  await using broker = await startWithHttp();
  using client = await KafkaClient.connect(broker);
  await using crowd = new Crowd(broker.httpPort as number);
  crowd.add(600, async (connection) => {
    for (let scrape = 0; scrape < 3; scrape++) {
      await connection.write(bytes(SCRAPE));
      if (await connection.read(new Uint8Array(65536)) === null) return;
    }
  });
  crowd.add(100, (connection) => connection.write(crypto.getRandomValues(new Uint8Array(4096))));
  crowd.add(100, (connection) => connection.write(bytes("GET /metrics HTTP/1.1\r\nHo")));
  crowd.add(100, (connection) => connection.write(bytes(`GET / HTTP/1.1\r\n${"x: y\r\n".repeat(5000)}`)));
  crowd.add(100, (connection) => connection.write(bytes(SCRAPE.repeat(100))));
  const batch = buildBatch([{ value: "v" }], { baseTimestamp: Date.now() });
  const tookMs: number[] = [];
  for (let call = 0; call < 200; call++) {
    const beganMs = performance.now();
    await client.call(produceRequest, produceResponse, { apiVersion: 9, value: produceTo("t", call % 3, batch) });
    tookMs.push(performance.now() - beganMs);
  }
  assert.equal((await get(broker.httpPort, "/readyz")).status, 200, "a probe gets its answer");
  const { text } = await get(broker.httpPort, "/metrics");
  assert.ok(Number(/^process_open_fds (\d+)$/m.exec(text)?.[1]) < 3000);
  // On a machine that others keep busy too, a turn may take long because its thread waits for a core.
  tookMs.sort((a, b) => a - b);
  const stalls = broker.turnTimes().map(({ counts }) => counts.at(-1));
  assert.deepEqual(
    stalls,
    [0, 0],
    `turns of more than a second; produces took ${tookMs[100]} ms, at most ${tookMs[199]}`,
  );
  assert.ok((tookMs[100] as number) < 500, `half of the produces took more than ${tookMs[100]} ms`);
  assert.deepEqual(broker.handlerFailures(), [0, 0]);
});
