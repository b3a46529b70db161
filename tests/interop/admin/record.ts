// deno-lint-ignore-file no-console -- the program's own words
/**
 * Records what Apache Kafka answers to all cases into tests/golden/admin_kafka_4.3.1.jsonl. Main isolate.
 *
 *    deno run -A tests/interop/admin/record.ts
 */
import { startApacheKafka } from "../../../bench/peer/apache_kafka.ts";
import { temporaryDirectory } from "../broker.ts";
import { GOLDEN, playAdminCases } from "./play.ts";

if (import.meta.main) {
  using directory = temporaryDirectory();
  await using kafka = await startApacheKafka({ directory: directory.path, properties: {} });
  const answers = await playAdminCases(kafka.port);
  await Deno.writeTextFile(GOLDEN, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
  console.log(`${answers.length} answers written to ${GOLDEN.pathname}`);
}
