/**
 * What the interop tests need from the machine. Where something is missing, the test is skipped with a printed reason; with CI=true it
 * fails instead, unless only a right of the process is missing. `install.ts` installs everything else. Main isolate of a test.
 */
import { hasStrace } from "../strace.ts";
import { mayMakeNetworks } from "./replication/faults/namespaces.ts";
import { hasWallClocks } from "./replication/faults/wall_clocks.ts";
import type { Proofs } from "./matrix/matrix.ts";
import { noteProofs } from "./matrix/proofs.ts";
import { mayMount } from "./system_faults.ts";
import { cacheDirectory, exists, kafkaInstalled, kafkaJars, onPath } from "../../bench/peer/install.ts";

/** Something that a test needs. */
export type Need =
  | "kafka"
  | "java"
  | "consoles"
  | "kcat"
  | "python"
  | "node"
  | "go"
  | "corpus"
  | "strace"
  | "mount"
  | "namespaces"
  | "etcd"
  | "openssl"
  | "faketime"
  | "prometheus";

/** Where `install.ts` puts the client libraries. */
export const locations = {
  /** Python with the packages of clients/python/requirements.txt. */
  python: `${cacheDirectory()}/interop/python/bin/python`,
  /** Directory whose node_modules has the packages of clients/node/package.json. */
  node: `${cacheDirectory()}/interop/node`,
  /** The program built from clients/go. */
  go: `${cacheDirectory()}/interop/go-client`,
  /** Classes compiled from clients/java. */
  java: `${cacheDirectory()}/interop/java`,
  /** The jars of the Java client that consoles ship: administration/pom.xml. */
  oldKafkaClient: `${cacheDirectory()}/kafka-clients-3.9.1`,
  /** Classes compiled from administration/java. */
  consoles: `${cacheDirectory()}/interop/consoles`,
  /** The text of Debian's package unicode-data: one large file of lines. */
  corpus: `${cacheDirectory()}/interop/corpus.txt`,
  /** Sources of the client programs. */
  clients: new URL("clients", import.meta.url).pathname,
} as const;

/**
 * Arguments of `java` for a JVM that lives for seconds beside others, with the jars of Kafka and the programs of clients/java.
 * @param words further flags, the program and its arguments
 */
export function smallJvm(...words: readonly string[]): string[] {
  return smallJvmWith(`${kafkaJars()}/*:${locations.java}`, ...words);
}

/** `smallJvm()` with another class path. */
export function smallJvmWith(classPath: string, ...words: readonly string[]): string[] {
  return ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classPath, ...words];
}

const checks: Record<Need, { found: () => boolean; name: string }> = {
  kafka: { found: kafkaInstalled, name: "Apache Kafka and Java" },
  java: { found: () => kafkaInstalled() && exists(`${locations.java}.installed`), name: "the Java clients" },
  consoles: {
    found: () => onPath("java") && exists(`${locations.consoles}.installed`),
    name: "the consoles' calls in Java",
  },
  kcat: { found: () => onPath("kcat"), name: "kcat" },
  python: { found: () => exists(locations.python), name: "the Python clients" },
  node: { found: () => onPath("node") && exists(`${locations.node}/node_modules`), name: "the Node clients" },
  go: { found: () => exists(locations.go), name: "the Go clients" },
  corpus: { found: () => exists(locations.corpus), name: "the corpus" },
  etcd: { found: () => onPath("etcd"), name: "etcd" },
  openssl: { found: () => onPath("openssl"), name: "openssl" },
  faketime: { found: hasWallClocks, name: "libfaketime" },
  prometheus: { found: () => onPath("prometheus") && onPath("promtool"), name: "Prometheus" },
  strace: { found: hasStrace, name: "strace" },
  mount: { found: mayMount, name: "the right to mount a file system" },
  namespaces: { found: mayMakeNetworks, name: "the right to make network namespaces, by iproute2" },
};

/** A test against real programs. */
export interface InteropTest {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** True: runs with BARNABAS_SLOW=1 only. */
  readonly slow?: boolean;
  /** What its pass proves of clients, for README.md's matrix. */
  readonly proves?: Proofs;
  readonly fn: (context: Deno.TestContext) => Promise<void>;
}

/** Registers a test that is skipped, or fails with CI=true, if something it needs is missing. */
export function interopTest(test: InteropTest): void {
  if (test.slow && !slowTestsWanted()) {
    Deno.test({ name: `${test.name} (only with BARNABAS_SLOW=1)`, ignore: true, fn: test.fn });
    return;
  }
  const missing = (test.needs ?? []).filter((need) => !checks[need].found()).map((need) => checks[need].name);
  if (missing.length === 0) {
    const fn = async (context: Deno.TestContext) => {
      await test.fn(context);
      if (test.proves !== undefined) noteProofs(context, test.proves);
    };
    Deno.test({ name: test.name, fn });
    return;
  }
  const reason = `needs ${missing.join(", ")}: deno run -A tests/interop/install.ts`;
  // A right of the process cannot be installed.
  const isRight = missing.every((name) => name === checks.mount.name || name === checks.namespaces.name);
  if (Deno.env.get("CI") === "true" && !isRight) {
    Deno.test(test.name, () => Promise.reject(new Error(`Cannot run this test: it ${reason}`)));
  } else {
    Deno.test({ name: `${test.name} (skipped: ${reason})`, ignore: true, fn: test.fn });
  }
}

/** True when the long tests run too. */
export function slowTestsWanted(): boolean {
  return Deno.env.get("BARNABAS_SLOW") === "1";
}
