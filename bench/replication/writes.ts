/**
 * One acknowledged write (acks=all) to each of many partitions: brokers are asked who leads them every 20 ms, and each partition is written
 * to again until that is acknowledged. Main isolate of the benchmark.
 */
import { wireBatch } from "../peer/wire_bytes.ts";
import { NONE, WireClient } from "../peer/wire_client.ts";
import type { ClusterBroker } from "./clusters.ts";
import { metadataOf } from "../../tests/interop/cluster/cluster_rig.ts";

/** How often a broker is asked who leads. */
export const ASK_EVERY_MS = 20;

const PATIENCE_MS = 60_000;
const batch = wireBatch([{ value: new TextEncoder().encode("a record") }]);

interface Line {
  readonly nodeId: number;
  readonly client: WireClient;
  /** Partitions whose answers have not come, in order. */
  readonly unanswered: number[];
  reading: Promise<void>;
}

/** The writes. Connections exist before they begin; disposal closes them. */
export class Writes implements AsyncDisposable {
  readonly #topic: string;
  readonly #nodes: readonly ClusterBroker[];
  readonly #lines: readonly Line[];
  /** Partitions that have no acknowledgement, and those of them that are being written to. */
  readonly #left: Set<number>;
  readonly #writing = new Set<number>();
  readonly #acknowledgedMs: number[] = [];
  /** Partitions that have been written to, perhaps in vain. */
  readonly #begun = new Set<number>();
  /** When the last partition was written to for the first time, because its leader was known. */
  allLedMs = NaN;

  private constructor(
    topic: string,
    nodes: readonly ClusterBroker[],
    of: { lines: readonly Line[]; left: Set<number> },
  ) {
    this.#topic = topic;
    this.#nodes = nodes;
    this.#lines = of.lines;
    this.#left = of.left;
  }

  /** Connects to the brokers that may lead the partitions. */
  static async begin(topic: string, nodes: readonly ClusterBroker[], partitions: readonly number[]): Promise<Writes> {
    const lines = await Promise.all(nodes.map(async ({ nodeId, port }): Promise<Line> => {
      return { nodeId, client: await WireClient.connect(port), unanswered: [], reading: Promise.resolve() };
    }));
    const writes = new Writes(topic, nodes, { lines, left: new Set(partitions) });
    for (const line of lines) line.reading = writes.#read(line);
    return writes;
  }

  /** Writes. @returns when each was acknowledged, by `performance.now()` */
  async untilAll(): Promise<number[]> {
    const startMs = performance.now();
    for (let turn = 0; this.#left.size > 0; turn++, await sleep(ASK_EVERY_MS)) {
      if (this.#writing.size === this.#left.size) continue;
      const node = this.#nodes[turn % this.#nodes.length] as ClusterBroker;
      const [found] = (await metadataOf(node, [this.#topic])).topics;
      for (const { partitionIndex: partition, leaderId } of found?.partitions ?? []) {
        const line = this.#lines.find(({ nodeId }) => nodeId === leaderId);
        if (line === undefined || !this.#left.has(partition) || this.#writing.has(partition)) continue;
        this.#writing.add(partition);
        this.#note(partition);
        line.unanswered.push(partition);
        await line.client.sendProduce({ topic: this.#topic, partition }, batch);
      }
      if (performance.now() - startMs > PATIENCE_MS) throw new Error(`${this.#left.size} partitions take no writes`);
    }
    return this.#acknowledgedMs;
  }

  #note(partition: number): void {
    if (this.#begun.has(partition)) return;
    this.#begun.add(partition);
    this.allLedMs = performance.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#lines) await client.closeWrite();
    for (const { client, reading } of this.#lines) {
      await reading;
      client[Symbol.dispose]();
    }
  }

  async #read({ client, unanswered }: Line): Promise<void> {
    for (;;) {
      const answer = await client.receiveProduced();
      if (answer === null) return;
      const partition = unanswered.shift() as number;
      this.#writing.delete(partition);
      if (answer.errorCode !== NONE || !this.#left.delete(partition)) continue;
      this.#acknowledgedMs.push(performance.now());
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
