/**
 * Kafka Streams and Kafka Connect live through the death of each broker: their internal topics and the committed offsets of their groups have
 * a replica on each of three. Streams works at least once here, and the file source of Connect is no idempotent producer, so after a
 * fault a line may be there, and be counted, twice; none may be missing.
 */
import assert from "node:assert/strict";
import { freePort, RunningProcess, waitFor } from "../../../bench/peer/processes.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest, smallJvm } from "../toolchain.ts";
import { ClusterRig } from "./cluster_rig.ts";
import { LeaderClients } from "./leader_clients.ts";
import { allInSync, coordinatorOf, createReplicated, replicatedSettings } from "./replicated_group.ts";

const PARTITIONS = 4;
const LINES = 50;
const WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
/** Clients notice the end of a broker late. */
const PATIENCE_MS = 120_000;
const overrides = {
  ...replicatedSettings,
  "default.replication.factor": "3",
  "group.min.session.timeout.ms": "6000",
};

function startJava(outputFile: string, program: string, args: readonly string[]): RunningProcess {
  return new RunningProcess("java", smallJvm("-Xmx256m", "-Djava.awt.headless=true", program, ...args), { outputFile });
}

/** Kills each broker in turn while `goOn` makes a program work, and starts it again. */
async function killEach(
  context: Deno.TestContext,
  rig: ClusterRig,
  { group, topics, goOn }: { group: string; topics: readonly string[]; goOn: () => Promise<void> },
): Promise<void> {
  for (const node of rig.nodes) {
    await context.step(`broker ${node.nodeId} is killed`, async () => {
      await allInSync(rig, ...topics);
      await node.kill();
      await goOn();
      await node.start();
      await waitFor(`${group} has a coordinator`, async () => await coordinatorOf(node, group) > 0 || undefined);
    });
  }
}

interopTest({
  name: "cluster: Kafka Streams counts on when brokers are killed",
  needs: ["etcd", "java"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, overrides });
    using clients = new LeaderClients(rig);
    for (const topic of ["lines", "counts"]) await createReplicated(rig.node(1), topic, PARTITIONS);
    const base = `${directory.path}/streams`;
    const args = [rig.bootstrapServers, "word-count", "lines", "counts", `${base}.state`];
    await using streams = startJava(`${base}.txt`, "WordCount", args);
    let lines = 0;
    const goOn = async () => {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const texts = Array.from({ length: LINES }, (_, n) => WORDS.slice(0, n % WORDS.length + 1).join(" "));
        await clients.produce({ topic: "lines", partition }, texts.map((text) => ({ value: bytesOf(text) })));
      }
      lines += LINES;
      await untilCounted(clients, lines, streams);
    };
    await goOn();
    await killEach(context, rig, { group: "word-count", topics: ["lines", "counts"], goOn });
    await streams.stop();
  },
});

/** Waits until every word of all lines is counted. */
async function untilCounted(clients: LeaderClients, lines: number, streams: RunningProcess): Promise<void> {
  const wanted = WORDS.map((_, at) => lines / WORDS.length * (WORDS.length - at) * PARTITIONS);
  let found: number[] = [];
  try {
    await waitFor(`${lines} lines are counted`, async () => {
      assert.ok(streams.running, "Streams runs");
      const counts = new Map<string, number>();
      for (let partition = 0; partition < PARTITIONS; partition++) {
        for (const { key, value } of await clients.recordsOf({ topic: "counts", partition })) {
          counts.set(key, Number(value));
        }
      }
      found = WORDS.map((word) => counts.get(word) ?? 0);
      return found.every((count, at) => count >= wanted[at]!) ? true : undefined;
    }, PATIENCE_MS);
  } catch (cause) {
    throw new Error(`counted ${found}, expected ${wanted}\n${streams.outputTail()}`, { cause });
  }
}

interopTest({
  name: "cluster: Kafka Connect copies on when brokers are killed",
  needs: ["etcd", "java"],
  slow: true,
  async fn(context) {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, overrides });
    await createReplicated(rig.node(1), "connect", 1);
    const base = `${directory.path}/connect`;
    const url = `http://127.0.0.1:${freePort()}`;
    await Deno.writeTextFile(`${base}-in.txt`, "");
    await Deno.writeTextFile(`${base}.properties`, propertiesOf(workerSettings(rig, url)));
    await using worker = startJava(`${base}.txt`, "org.apache.kafka.connect.cli.ConnectDistributed", [
      `${base}.properties`,
    ]);
    await startConnectors(url, base, worker);
    let lines = 0;
    const goOn = async () => {
      const more = Array.from({ length: LINES }, (_, n) => `line ${lines + n} of the file\n`);
      await Deno.writeTextFile(`${base}-in.txt`, more.join(""), { append: true });
      lines += LINES;
      await untilCopied(`${base}-out.txt`, lines, worker);
    };
    await goOn();
    const topics = ["connect", "connect-configs", "connect-offsets", "connect-status"];
    await killEach(context, rig, { group: "connect-cluster", topics, goOn });
    await context.step("a worker that starts again knows its connectors and goes on", async () => {
      await worker.stop();
      await using again = startJava(`${base}.again.txt`, "org.apache.kafka.connect.cli.ConnectDistributed", [
        `${base}.properties`,
      ]);
      const before = (await Deno.readTextFile(`${base}-out.txt`)).length;
      await goOn();
      const copied = (await Deno.readTextFile(`${base}-out.txt`)).slice(before);
      assert.ok(!copied.includes("line 0 of"), "it begins where the other one has ended");
      await again.stop();
    });
  },
});

function workerSettings(rig: ClusterRig, url: string): Record<string, string> {
  const storage = Object.fromEntries(["config", "offset", "status"].flatMap((what) => [
    [`${what}.storage.topic`, what === "status" ? "connect-status" : `connect-${what}s`],
    [`${what}.storage.replication.factor`, "3"],
  ]));
  return {
    ...storage,
    "bootstrap.servers": rig.bootstrapServers,
    "group.id": "connect-cluster",
    "offset.storage.partitions": "3",
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    "offset.flush.interval.ms": "500",
    "listeners": url,
    // The jars are on the class path; a search for plug-ins elsewhere takes seconds.
    "plugin.discovery": "service_load",
  };
}

/** Starts a source that reads a file and a sink that writes one, when the worker answers. */
async function startConnectors(url: string, base: string, worker: RunningProcess): Promise<void> {
  const connectors = {
    source: {
      ...{ "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1" },
      ...{ file: `${base}-in.txt`, topic: "connect" },
    },
    sink: {
      ...{ "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max": "1" },
      ...{ file: `${base}-out.txt`, topics: "connect" },
    },
  };
  for (const [name, config] of Object.entries(connectors)) {
    await waitFor(`connector ${name} is created`, async () => {
      assert.ok(worker.running, worker.outputTail());
      const headers = { "content-type": "application/json" };
      const request = { method: "PUT", headers, body: JSON.stringify(config) };
      const answer = await fetch(`${url}/connectors/${name}/config`, request).catch(() => null);
      await answer?.body?.cancel();
      return answer !== null && answer.ok ? true : undefined;
    }, PATIENCE_MS);
  }
}

/** Waits until every line is in a file, and the first ones of each are in their order. */
async function untilCopied(path: string, count: number, worker: RunningProcess): Promise<void> {
  const expected = Array.from({ length: count }, (_, n) => `line ${n} of the file`);
  let found: string[] = [];
  try {
    await waitFor(`${count} lines are copied`, async () => {
      const text = await Deno.readTextFile(path).catch((error) => {
        if (error instanceof Deno.errors.NotFound) return "";
        throw error;
      });
      found = [...new Set(text.split("\n").filter((line) => line !== ""))];
      return found.length >= count ? true : undefined;
    }, PATIENCE_MS);
  } catch (cause) {
    throw new Error(worker.outputTail(), { cause });
  }
  assert.deepEqual(found, expected);
}

function propertiesOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join("");
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
