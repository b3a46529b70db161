/**
 * A client of a cluster whose brokers die or pause: each request goes to whoever leads the partition then, again until it is served. Main
 * isolate of a test.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { batchesOf, recordsOfBatch, wireBatch, type WireRecord } from "../../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../../bench/peer/wire_client.ts";
import { type ClusterNode, type ClusterRig, isGone, metadataOf } from "./cluster_rig.ts";

const PATIENCE_MS = 60_000;
/** Who has not answered by then is asked no more. */
const ANSWER_MS_MAX = 3000;

/** A partition of a topic. */
type Place = { readonly topic: string; readonly partition: number };

/** A record as text. */
export interface TextRecord {
  readonly key: string;
  readonly value: string;
}

/** Connections to brokers, one to each. */
export class LeaderClients implements Disposable {
  readonly #rig: ClusterRig;
  readonly #connections = new Map<number, WireClient>();

  constructor(rig: ClusterRig) {
    this.#rig = rig;
  }

  /** Writes a batch until it is acknowledged by all in-sync replicas: it may be there twice. @returns the offset of its first record */
  produce(to: Place, records: readonly WireRecord[]): Promise<number> {
    return this.#ask(`${to.topic}-${to.partition} takes records`, to, async (client) => {
      const { errorCode, baseOffset } = await client.produce(to, wireBatch(records));
      return errorCode === NONE ? baseOffset : undefined;
    });
  }

  /** The high watermark of a partition. */
  highWatermark(of: Place): Promise<number> {
    return this.#ask(`${of.topic}-${of.partition} is read`, of, async (client) => {
      const { errorCode, highWatermark } = await client.fetch(of, 0, 1);
      return errorCode === NONE ? highWatermark : undefined;
    });
  }

  /** All records of a partition, from its first. */
  async recordsOf(of: Place): Promise<TextRecord[]> {
    const found: TextRecord[] = [];
    const end = await this.highWatermark(of);
    for (let next = 0; next < end;) {
      const { records } = await this.#ask(`${of.topic}-${of.partition} is read`, of, async (client) => {
        const answer = await client.fetch(of, next);
        return answer.errorCode === NONE ? answer : undefined;
      });
      for (const batch of batchesOf(records)) {
        found.push(...recordsOfBatch(batch).map(({ key, value }) => ({ key: textOf(key), value: textOf(value) })));
        next = batch.baseOffset + batch.recordsCount;
      }
    }
    return found;
  }

  [Symbol.dispose](): void {
    for (const client of this.#connections.values()) client[Symbol.dispose]();
    this.#connections.clear();
  }

  #ask<T>(what: string, of: Place, ask: (leader: WireClient) => Promise<T | undefined>): Promise<T> {
    return waitFor(what, async () => {
      const nodeId = await this.#leaderOf(of);
      const client = nodeId < 0 ? null : await this.#clientOf(nodeId);
      if (client === null) return undefined;
      const answer = await inTime(ask(client));
      if (answer !== null) return answer;
      client[Symbol.dispose]();
      this.#connections.delete(nodeId);
      return undefined;
    }, PATIENCE_MS);
  }

  async #leaderOf({ topic, partition }: Place): Promise<number> {
    const metadata = await inTime(metadataOf(runningOf(this.#rig), [topic]));
    return metadata?.topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === partition)?.leaderId ?? -1;
  }

  async #clientOf(nodeId: number): Promise<WireClient | null> {
    const known = this.#connections.get(nodeId);
    if (known !== undefined) return known;
    const client = await WireClient.connect(this.#rig.node(nodeId).port).catch(onGone);
    if (client !== null) this.#connections.set(nodeId, client);
    return client;
  }
}

/** Any of the brokers that run. */
export function runningOf(rig: ClusterRig): ClusterNode {
  const running = rig.nodes.filter(({ isRunning }) => isRunning);
  const node = running[Math.floor(Math.random() * running.length)];
  assert.ok(node, "a broker runs");
  return node;
}

/** @returns null when there is no answer in time, or its broker has gone */
export async function inTime<T>(asked: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), ANSWER_MS_MAX);
  try {
    return await Promise.race([asked.catch(onGone), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** @returns null when a request failed because its broker has gone @throws every other failure */
function onGone(error: unknown): null {
  if (isGone(error) || (error instanceof Error && error.message.includes("closed the connection"))) return null;
  throw error;
}

function textOf(bytes: Uint8Array | null | undefined): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array());
}
