/**
 * What the log of a broker says, in this process, whose LogTape the test has configured.
 */
import { strict as assert } from "node:assert";
import { configure, type LogRecord, reset } from "npm:@logtape/logtape@2.4.2";
import { apiVersionsRequest } from "../net/protocol/messages/18_api_versions.ts";
import { createPartitionsRequest, createPartitionsResponse } from "../net/protocol/messages/37_create_partitions.ts";
import { deleteTopicsRequest, deleteTopicsResponse } from "../net/protocol/messages/20_delete_topics.ts";
import { jsonLine } from "../net/broker/log_output.ts";
import { PROVOKED_LINES_MAX } from "../partitions/line_limiter.ts";
import { startBroker } from "../mod.ts";
import { frameOf, KafkaClient } from "./kafka_client.ts";
import { configure as configureTopic, create } from "./topic_requests.ts";

/** The log's records, from the least severe on. */
class CapturedLog implements AsyncDisposable {
  readonly records: LogRecord[] = [];
  #waiting: (() => void)[] = [];

  static async begin(): Promise<CapturedLog> {
    const captured = new CapturedLog();
    const sink = (record: LogRecord) => captured.#take(record);
    await configure({
      reset: true,
      sinks: { sink },
      loggers: [
        { category: "barnabas", sinks: ["sink"], lowestLevel: "debug" },
        { category: ["logtape", "meta"], sinks: ["sink"], lowestLevel: "warning" },
      ],
    });
    return captured;
  }

  /** Lines of a category, as JSON has them. */
  of(category: string): { level: string; message: string; leftOut?: number }[] {
    return this.records.map((record) => JSON.parse(jsonLine(record))).filter((line) => line.category === category);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((more) => this.#waiting.push(more));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return reset();
  }

  #take(record: LogRecord): void {
    this.records.push(record);
    for (const more of this.#waiting.splice(0)) more();
  }
}

/** A size of 2 GiB, which no request has. */
const NO_REQUEST = Uint8Array.of(0x7f, 0xff, 0xff, 0xff);

Deno.test("hostile clients cannot fill the log, nor hide other lines in it, and what was left out is counted", async () => {
  await using captured = await CapturedLog.begin();
  await using broker = await startBroker({ port: 0, shards: 2 });
  const CLIENTS = 120;
  const beganMs = performance.now();
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: broker.port });
    await connection.write(NO_REQUEST);
    await connection.read(new Uint8Array(1)).catch(() => null);
  }));
  using client = await KafkaClient.connect(broker);
  await create(client, "seen");
  const lines = () => captured.of("barnabas.connections");
  const told = () => lines().reduce((sum, { leftOut = 1 }) => sum + leftOut, 0);
  await captured.until(() => told() === CLIENTS);
  const seconds = Math.ceil((performance.now() - beganMs) / 1000) + 1;
  const written = lines().filter(({ leftOut }) => leftOut === undefined);
  assert.ok(written.length <= PROVOKED_LINES_MAX * seconds, `${written.length} lines in ${seconds} s`);
  for (const { level, message } of written) {
    assert.deepEqual([level, /^Closed the connection of 127/.test(message)], ["warning", true]);
  }
  assert.deepEqual(captured.of("barnabas.topics").map(({ message }) => message), [
    "Topic seen was created: partitions 1, replicas 1",
  ]);
});

Deno.test("a client id with line ends and terminal escapes makes one line of visible characters", async () => {
  await using captured = await CapturedLog.begin();
  await using broker = await startBroker({ port: 0, shards: 1 });
  using client = await KafkaClient.connect(broker);
  const header = { apiVersion: 3, correlationId: 1, clientId: "a\n2026-01-01 [ERR] forged\x1b[2J\u202e" };
  await client.sendRaw(frameOf(apiVersionsRequest, header, { clientSoftwareName: "x", clientSoftwareVersion: "1" }));
  await client.sendRaw(NO_REQUEST);
  await captured.until(() => captured.of("barnabas.connections").length > 0);
  const [{ message = "" } = {}] = captured.of("barnabas.connections");
  assert.match(message, /client id "a\\n2026-01-01 \[ERR\] forged\\u001b\[2J\\u202e"/);
});

Deno.test("topics that come, grow, change and go have a line each, and so have settings of groups", async () => {
  await using captured = await CapturedLog.begin();
  await using broker = await startBroker({ port: 0, shards: 1 });
  using client = await KafkaClient.connect(broker);
  await create(client, "orders", 1, { "retention.ms": "1000" });
  const grown = { topics: [{ name: "orders", count: 3, assignments: null }], timeoutMs: 1000, validateOnly: false };
  await client.call(createPartitionsRequest, createPartitionsResponse, { apiVersion: 3, value: grown });
  await configureTopic(client, "orders", { "cleanup.policy": "compact" });
  const gone = { topics: [{ name: "orders" }], timeoutMs: 1000 };
  await client.call(deleteTopicsRequest, deleteTopicsResponse, { apiVersion: 6, value: gone });
  assert.deepEqual(captured.of("barnabas.topics").map(({ message }) => message), [
    "Topic orders was created: partitions 1, replicas 1; retention.ms=1000",
    "Topic orders has 3 partitions, 1 before",
    "Settings of topic orders are now: retention.ms=1000, cleanup.policy=compact",
    "Topic orders was deleted",
  ]);
});
