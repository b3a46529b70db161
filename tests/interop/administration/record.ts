/**
 * Records recorded/: what each program shows on Apache Kafka 4.3.1. Lines of pages on which Kafka differs stay. Main isolate:
 *
 *    deno run -A tests/interop/administration/record.ts kafka-ui akhq
 */
import { startApacheKafka } from "../../../bench/peer/apache_kafka.ts";
import { temporaryDirectory } from "../broker.ts";
import {
  adminClients,
  consoles,
  OTHERWISE_ON_KAFKA,
  OVERRIDES,
  PAUSE_MS,
  recorded,
  recordingOf,
  runPrograms,
} from "./programs.ts";

if (import.meta.main) {
  for (const names of [consoles, adminClients].map((all) => all.filter((name) => Deno.args.includes(name)))) {
    using directory = temporaryDirectory();
    await using kafka = await startApacheKafka({ directory: directory.path, properties: OVERRIDES });
    for (const [name, pages] of await runPrograms(names, kafka.bootstrapServers, { pauseMs: PAUSE_MS.kafka })) {
      const kept = OTHERWISE_ON_KAFKA.some((page) => pages.has(page)) ? recorded(name) : new Map<string, string>();
      const lines = [...pages].map(([page, shown]) => {
        return `${page}\t${OTHERWISE_ON_KAFKA.includes(page) ? kept.get(page) : shown}\n`;
      });
      await Deno.writeTextFile(recordingOf(name), lines.join(""));
    }
  }
}
