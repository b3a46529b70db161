/**
 * Records that may be lost, sent with acks=0 to whoever is believed to lead a partition: they give deposed leaders tails that must not
 * survive. Those that lie in the socket of a broker that is paused are appended when it wakes. Main isolate of a test.
 */
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { type TopicPartition, WireClient } from "../../../bench/peer/wire_client.ts";
import { NOISE } from "./history_check.ts";
import { isAway, type RigNode } from "./replicated_cluster.ts";
import type { TopicView } from "./topic_view.ts";

const PACE_MS = 30;
const RECORDS = 3;
const PADDING = " ".padEnd(3000, ".");
/** A connection takes bytes while its buffers have room: a broker that is paused stops taking them. */
const SEND_MS = 200;

const encoder = new TextEncoder();

/** The noise of all partitions. `run()` settles once `stop()` was called. */
export class Noise {
  readonly #view: TopicView;
  readonly #connections = new Map<number, WireClient>();
  #number = 0;
  #isStopped = false;

  constructor(view: TopicView) {
    this.#view = view;
  }

  /** Lets it end. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Sends. */
  async run(): Promise<void> {
    for (let turn = 0; !this.#isStopped; turn++) {
      const partition = turn % this.#view.partitions.length;
      const node = this.#view.leaderOf(partition);
      if (node !== null && node.isRunning) await this.#send(node, partition);
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
    for (const connection of this.#connections.values()) connection[Symbol.dispose]();
  }

  async #send(node: RigNode, partition: number): Promise<void> {
    const records = Array.from({ length: RECORDS }, () => {
      return { value: encoder.encode(`${NOISE}-${partition}-${this.#number++}${PADDING}`) };
    });
    const isSent = await Promise.race([
      this.#sendTo(node, { topic: this.#view.topic, partition }, wireBatch(records)),
      late(),
    ]);
    if (!isSent) this.#disconnect(node);
  }

  /** @returns false when the broker has gone */
  async #sendTo(node: RigNode, to: TopicPartition, batch: Uint8Array): Promise<boolean> {
    try {
      const known = this.#connections.get(node.nodeId);
      const connection = known ?? await WireClient.connect(node.port);
      this.#connections.set(node.nodeId, connection);
      await connection.sendProduce(to, batch, 0);
      return true;
    } catch (error) {
      if (isAway(error)) return false;
      throw error;
    }
  }

  #disconnect(node: RigNode): void {
    this.#connections.get(node.nodeId)?.[Symbol.dispose]();
    this.#connections.delete(node.nodeId);
  }
}

function late(): Promise<boolean> {
  return new Promise((resolve) => setTimeout(() => resolve(false), SEND_MS));
}
