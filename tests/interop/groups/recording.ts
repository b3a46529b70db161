/** All scenarios, and the recording of what Apache Kafka answers to them. Main isolate of a test. */
import type { ApacheKafka, ApacheKafkaOptions } from "../../../bench/peer/apache_kafka.ts";
import { temporaryDirectory } from "../broker.ts";
import { adminScenarios } from "./admin_scenarios.ts";
import { classicMisuseScenarios } from "./classic_misuse_scenarios.ts";
import { classicScenarios } from "./classic_scenarios.ts";
import { consumerMisuseScenarios } from "./consumer_misuse_scenarios.ts";
import { consumerScenarios } from "./consumer_scenarios.ts";
import { migrationScenarios } from "./migration_scenarios.ts";
import { offsetScenarios } from "./offset_scenarios.ts";
import { type Line, play, type Scenario, SETTINGS } from "./session.ts";
import { staticScenarios } from "./static_scenarios.ts";

/** Where Kafka's answers are kept, one per line. */
export const GOLDEN = new URL("../../golden/groups_kafka_4.3.1.jsonl", import.meta.url);

/** All scenarios. */
export const scenarios: readonly Scenario[] = [
  ...adminScenarios,
  ...classicScenarios,
  ...classicMisuseScenarios,
  ...staticScenarios,
  ...offsetScenarios,
  ...consumerScenarios,
  ...consumerMisuseScenarios,
  ...migrationScenarios,
];

/** Starts Apache Kafka, plays all scenarios and stops it. */
export async function playAgainstKafka(
  start: (options: ApacheKafkaOptions) => Promise<ApacheKafka>,
): Promise<Line[]> {
  using directory = temporaryDirectory();
  await using kafka = await start({ directory: directory.path, properties: SETTINGS });
  return await play(kafka.port, scenarios);
}

/** One answer per line. */
export function toText(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** What was recorded. */
export async function readRecording(): Promise<Line[]> {
  return (await Deno.readTextFile(GOLDEN)).trim().split("\n").map((line) => JSON.parse(line));
}
