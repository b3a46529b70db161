// deno-lint-ignore-file no-console -- the program's own words
/**
 * Records what Apache Kafka answers to all cases into tests/golden/broker_configs_kafka_4.3.1.jsonl. Main isolate.
 *
 *    deno run -A tests/interop/broker_configs/record.ts
 */
import { startApacheKafka } from "../../../bench/peer/apache_kafka.ts";
import { temporaryDirectory } from "../broker.ts";
import { ANSWERS, playBrokerConfigCases } from "./play.ts";

/** A broker of Apache Kafka uses a change some time after the controller has answered. */
const APPLIED_MS = 250;

if (import.meta.main) {
  using directory = temporaryDirectory();
  await using kafka = await startApacheKafka({ directory: directory.path, properties: {} });
  const applied = () => new Promise<void>((resolve) => setTimeout(resolve, APPLIED_MS));
  const answers = await playBrokerConfigCases(kafka.port, applied);
  await Deno.writeTextFile(ANSWERS, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
  console.log(`${answers.length} answers written to ${ANSWERS.pathname}`);
}
