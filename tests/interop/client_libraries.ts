/**
 * The client libraries of the interop tests. The programs are in clients/. Main isolate of a test.
 */
import { kafkaJars } from "../../bench/peer/install.ts";
import { runOrThrow } from "../../bench/peer/processes.ts";
import { locations, type Need } from "./toolchain.ts";

/** Records that `produce` is asked for in each codec. */
export const RECORDS_PER_CODEC = 60;

/** A client library: its program, and what it supports. */
export interface ClientLibrary {
  readonly name: string;
  readonly need: Need;
  readonly codecs: readonly string[];
  readonly consumes: boolean;
  readonly run: (words: readonly string[]) => Promise<string>;
}

const everyCodec = ["none", "gzip", "snappy", "lz4", "zstd"];

/** Every library. */
export const clientLibraries: readonly ClientLibrary[] = [
  { name: "java", need: "kafka", codecs: everyCodec, consumes: true, run: runJava },
  client("confluent-kafka", "python"),
  client("kafka-python", "python"),
  client("aiokafka", "python"),
  client("franz-go", "go"),
  client("sarama", "go"),
  // 2.2.4 has no zstd, and reads in consumer groups only.
  { ...client("kafkajs", "node"), codecs: ["none", "gzip", "snappy", "lz4"], consumes: false },
  client("platformatic", "node"),
];

function client(name: string, need: "python" | "go" | "node"): ClientLibrary {
  const run = { python: runPython, go: runGo, node: runNode }[need];
  return { name, need, codecs: everyCodec, consumes: true, run: (words) => run([name, ...words]) };
}

function runJava(words: readonly string[]): Promise<string> {
  const program = `${locations.clients}/java/Client.java`;
  return runOrThrow("java", ["-XX:TieredStopAtLevel=1", "-cp", `${kafkaJars()}/*`, program, "java", ...words]);
}

function runPython(words: readonly string[]): Promise<string> {
  return runOrThrow(locations.python, [`${locations.clients}/python/client.py`, ...words]);
}

function runGo(words: readonly string[]): Promise<string> {
  return runOrThrow(locations.go, words);
}

function runNode(words: readonly string[]): Promise<string> {
  const env = { CLIENT_LIBRARIES: locations.node };
  const program = `${locations.clients}/node/client.mjs`;
  // @platformatic/kafka needs a Node with zstd (22.15 or later). Deno always has it.
  if (words[0] === "platformatic") {
    const flags = ["run", "-A", "--no-config", "--node-modules-dir=manual"];
    return runOrThrow(Deno.execPath(), [...flags, program, ...words], { env, cwd: locations.node });
  }
  return runOrThrow("node", [program, ...words], { env });
}

/** The output of `consume`, without offsets, for the records that a library has written, as clients/README.md says. */
export function writtenLines(name: string, codecs: readonly string[]): string[] {
  return codecs.flatMap((codec) =>
    Array.from({ length: RECORDS_PER_CODEC }, (_, i) => {
      const key = i % 7 === 3 ? "NULL" : `${name}-${codec}-${i}`;
      const value = i % 7 !== 3 && i % 11 === 5 ? "NULL" : `${i} ${"Grüße 你好 🚀 ".repeat(i % 50)}`;
      return `${key}\t${value}\tclient=${name}`;
    })
  );
}
