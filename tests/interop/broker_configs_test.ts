/**
 * The dynamic settings of a broker against Apache Kafka, misuse included: the same requests must get the same answers. Those of Kafka 4.3.1
 * were recorded by tests/interop/broker_configs/record.ts.
 */
import { deepEqual } from "node:assert/strict";
import { readRecording } from "./admin/play.ts";
import { startTestBroker, temporaryDirectory } from "./broker.ts";
import { brokerConfigCases } from "./broker_configs/cases.ts";
import { ANSWERS, playBrokerConfigCases } from "./broker_configs/play.ts";
import { interopTest } from "./toolchain.ts";

interopTest({
  name: "dynamic settings of a broker are described and changed as by Apache Kafka, misuse included",
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    const found = await playBrokerConfigCases(broker.port);
    const recorded = await readRecording(ANSWERS);
    deepEqual(recorded.map(({ name }) => name), brokerConfigCases.map(({ name }) => name));
    for (const [index, { name, answer }] of recorded.entries()) {
      await context.step(name, () => deepEqual(comparable(found[index]?.answer), comparable(answer)));
    }
  },
});

/**
 * Without the one dynamic setting that a log directory formatted by Kafka begins with. Kafka's messages without an error are empty in some
 * answers and null in others.
 */
function comparable(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.filter((one) => one?.name !== "min.insync.replicas").map(comparable);
  if (typeof answer !== "object" || answer === null) return answer;
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [name, name === "errorMessage" ? value ?? "" : comparable(value)]),
  );
}
