// deno-lint-ignore-file no-console -- the program's own words
/**
 * Records what Apache Kafka answers to all scenarios into tests/golden/groups_kafka_4.3.1.jsonl. Main isolate.
 *
 *    deno run -A tests/interop/groups/record.ts
 */
import { startApacheKafka } from "../../../bench/peer/apache_kafka.ts";
import { GOLDEN, playAgainstKafka, toText } from "./recording.ts";

if (import.meta.main) {
  const lines = await playAgainstKafka(startApacheKafka);
  await Deno.writeTextFile(GOLDEN, toText(lines));
  console.log(`${lines.length} answers written to ${GOLDEN.pathname}`);
}
