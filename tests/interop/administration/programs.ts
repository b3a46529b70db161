/**
 * Programs that people administer Kafka with. Consoles, without their web pages: the calls that the sources of kafka-ui, AKHQ (java/) and
 * Redpanda Console (../clients/go/console.go) make for each page, and what the page would show. Admin clients of libraries
 * (../clients/python/admin.py, ../clients/go/kadm.go): each call that applies, and what it returns. Main isolate of a test.
 */
import { runOrThrow } from "../../../bench/peer/processes.ts";
import { locations, smallJvmWith } from "../toolchain.ts";

/** Consoles whose calls are replayed. */
export const consoles = ["kafka-ui", "akhq", "redpanda-console"] as const;

/** Libraries whose admin clients are called. */
export const adminClients = ["confluent-kafka", "kafka-python", "kadm"] as const;

/** One of both. */
export type ProgramName = typeof consoles[number] | typeof adminClients[number];

/** What each page or call shows, by its name. */
export type Shown = ReadonlyMap<string, string>;

/** Settings of the broker. */
export const OVERRIDES = { "offsets.topic.num.partitions": "4", "group.initial.rebalance.delay.ms": "0" };

/** In Kafka a legacy AlterConfigs cannot change a broker: it would reset the min.insync.replicas that Kafka sets itself (KIP-966). */
export const OTHERWISE_ON_KAFKA: readonly string[] = ["edit settings of a node", "reset a setting of a node"];

/** After each call to Kafka, or to a cluster: other brokers show a change a moment after it was acknowledged. */
export const PAUSE_MS = { kafka: 200, cluster: 100 };

/** What pages of consoles show instead where there are three brokers. */
export const ON_THREE_BROKERS: Readonly<Record<string, string>> = {
  "change replication factor": "accepted",
  brokers: "3 brokers",
  "delete messages":
    "4 partitions, 12 replicas, 12 in sync, offsets of 4, 0 records, max.message.bytes=500000 retention.ms=7200000",
};

/**
 * Runs programs, one after the other.
 * @param options.pauseMs between calls @returns what they show, by program
 */
export async function runPrograms(
  names: readonly ProgramName[],
  bootstrap: string,
  { pauseMs }: { pauseMs: number },
): Promise<Map<ProgramName, Shown>> {
  const env = { PAUSE_MS: `${pauseMs}` };
  let printed = "";
  const java = names.filter((name) => name === "kafka-ui" || name === "akhq");
  if (java.length > 0) {
    const classPath = `${locations.oldKafkaClient}/*:${locations.consoles}`;
    printed += await runOrThrow("java", smallJvmWith(classPath, "Pages", bootstrap, ...java), { env });
  }
  for (const name of names) {
    if (name === "redpanda-console" || name === "kadm") {
      printed += await runOrThrow(locations.go, [name, bootstrap], { env });
    }
    if (name === "confluent-kafka" || name === "kafka-python") {
      printed += await runOrThrow(locations.python, [`${locations.clients}/python/admin.py`, name, bootstrap], { env });
    }
  }
  const found = new Map<ProgramName, Map<string, string>>(names.map((name) => [name, new Map()]));
  for (const line of printed.split("\n")) {
    const [name = "", page = "", shown = ""] = line.split("\t");
    found.get(name as ProgramName)?.set(page, shown);
  }
  return found;
}

/** What a program shows on Apache Kafka 4.3.1, as `record.ts` has written it. */
export function recorded(name: ProgramName): Shown {
  const text = Deno.readTextFileSync(recordingOf(name));
  const lines = text.replace(/\n$/, "").split("\n").map((line) => line.split("\t"));
  return new Map(lines.map(([page = "", shown = ""]) => [page, shown]));
}

/** File of a recording: a line for each page or call. */
export function recordingOf(name: ProgramName): URL {
  return new URL(`recorded/${name}.txt`, import.meta.url);
}
