/**
 * Every admin API against Apache Kafka, including misuse: the same requests must get the same answers. The answers of Kafka 4.3.1 were
 * recorded by tests/interop/admin/record.ts. Where Kafka answers an error code without a message, this broker may add one.
 */
import { deepEqual } from "node:assert/strict";
import { apis } from "../../net/handlers/mod.ts";
import { adminCases } from "./admin/cases.ts";
import { playAdminCases, readRecording } from "./admin/play.ts";
import * as groupApis from "./groups/apis.ts";
import { startTestBroker, temporaryDirectory } from "./broker.ts";
import { interopTest } from "./toolchain.ts";

interopTest({
  name: "admin APIs answer as Apache Kafka does, misuse included",
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    const found = await playAdminCases(broker.port);
    const recorded = await readRecording();
    for (const [index, { name, answer }] of recorded.entries()) {
      await context.step(name, () => deepEqual(withoutWords(found[index]?.answer, answer), answer));
    }
  },
});

Deno.test("the recording of the admin APIs has every case and no other", async () => {
  const names = (await readRecording()).map(({ name }) => name);
  deepEqual(names, adminCases.map(({ name }) => name));
});

/** APIs whose answers are compared with Apache Kafka elsewhere, by their keys. */
const COMPARED_ELSEWHERE: ReadonlyMap<string, readonly number[]> = new Map([
  ["clients of every language produce, fetch and create: clients_test.ts, fuzz_test.ts", [
    0,
    1,
    2,
    3,
    10,
    18,
    19,
    20,
    22,
    23,
  ]],
  [
    "groups: groups_differential_test.ts",
    Object.values(groupApis).flatMap((api) => "request" in api ? api.request.apiKey : []),
  ],
  ["Kafka's brokers send them to the controller's own listener: golden_test.ts, 62_broker_registration_test.ts", [
    62,
    63,
  ]],
  ["a listener without SASL answers them as Kafka: 17_sasl_handshake_test.ts, 36_sasl_authenticate_test.ts", [17, 36]],
  ["names of brokers and their ports, which differ: net/handlers/60_describe_cluster_test.ts", [60]],
]);

Deno.test("adminCases has every API that is not compared with Apache Kafka elsewhere", () => {
  const there = new Set([...adminCases.map(({ api: [key] }) => key), ...[...COMPARED_ELSEWHERE.values()].flat()]);
  const missing = apis.filter(({ key }) => !there.has(key)).map(({ name }) => name);
  deepEqual(
    missing,
    [],
    "tests/interop/admin/cases.ts has no case of these: add some, then deno run -A tests/interop/admin/record.ts",
  );
});

/** The answer, with empty messages where Kafka's are empty. */
function withoutWords(found: unknown, expected: unknown): unknown {
  if (Array.isArray(found) && Array.isArray(expected)) {
    return found.map((item, index) => withoutWords(item, expected[index]));
  }
  if (typeof found !== "object" || typeof expected !== "object" || found === null || expected === null) return found;
  const like = expected as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [
      name,
      name === "errorMessage" && !like[name] ? like[name] : withoutWords(value, like[name]),
    ]),
  );
}
