/**
 * NOT_ENOUGH_REPLICAS_AFTER_APPEND as a client sees it: the in-sync replicas have the record, and are too few at the moment of the answer. A
 * partition does not commit below min.insync.replicas (KIP-966), so only what was committed in the last moment before a change gets it. The
 * test raises and lowers the minimum until that has happened.
 */
import assert from "node:assert/strict";
import { createReplicated } from "../../replicated_topics.ts";
import { KafkaClient } from "../../kafka_client.ts";
import { configure } from "../../topic_requests.ts";
import { temporaryDirectory } from "../broker.ts";
import { interopTest, locations } from "../toolchain.ts";
import { ClusterRig, produceTo } from "./cluster_rig.ts";

const TOPIC = "t";
/** On both shards of both leaders. */
const ASSIGNMENTS = [[1, 2, 3], [2, 1, 3], [1, 2, 3], [2, 1, 3]];
const CHANGES_MAX = 2000;

/** The writing client. Disposal kills it. */
class Writer implements AsyncDisposable {
  /** Settles when the client has seen the error. */
  readonly seen: Promise<void>;
  readonly #process: Deno.ChildProcess;
  readonly #text: Promise<string>;

  constructor(bootstrapServers: string) {
    const program = `${locations.clients}/python/acknowledgements.py`;
    const args = [program, bootstrapServers, TOPIC, String(ASSIGNMENTS.length)];
    this.#process = new Deno.Command(locations.python, { args, stdin: "piped", stdout: "piped" }).spawn();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.seen = promise;
    this.#text = this.#read(resolve);
  }

  /** Ends it. @returns how often each answer came */
  async end(): Promise<ReadonlyMap<string, number>> {
    await this.#process.stdin.close();
    const lines = (await this.#text).trim().split("\n").map((line) => line.split(" "));
    return new Map(lines.filter(({ length }) => length === 2).map(([name = "", count]) => [name, Number(count)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended.
    }
    await this.#process.status;
  }

  async #read(seen: () => void): Promise<string> {
    let text = "";
    for await (const part of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (text.includes("seen\n")) seen();
    }
    return text;
  }
}

interopTest({
  name: "cluster: kafka-python is told NOT_ENOUGH_REPLICAS_AFTER_APPEND of what is committed while the minimum rises",
  needs: ["etcd", "python"],
  slow: true,
  fn: async () => {
    using directory = temporaryDirectory();
    await using rig = await ClusterRig.start({ directory: directory.path, shards: 2 });
    using client = await KafkaClient.connect(rig.node(1));
    await createReplicated(client, TOPIC, ASSIGNMENTS, { "min.insync.replicas": "2" });
    await rig.node(3).kill();
    await using writer = new Writer(`${rig.node(1).bootstrapServers},${rig.node(2).bootstrapServers}`);
    let isSeen = false;
    writer.seen.then(() => isSeen = true);
    for (let count = 0; count < CHANGES_MAX && !isSeen; count++) {
      await configure(client, TOPIC, { "min.insync.replicas": count % 2 === 0 ? "3" : "2" });
    }
    const answers = await writer.end();
    assert.deepEqual(
      ["NoError", "NotEnoughReplicasError", "NotEnoughReplicasAfterAppendError"].filter((name) => !answers.get(name)),
      [],
      `each came: ${[...answers]}`,
    );
    await configure(client, TOPIC, { "min.insync.replicas": "2" });
    assert.ok(await produceTo(rig.node(1), TOPIC) > 0);
  },
});
