/**
 * Clients that use the broker during an attack, a few requests a second, and check its answers: every record gets the next offset and is
 * read back as it was written, and the topic has its partitions. Test code.
 */
import assert from "node:assert/strict";
import { batchesOf, type ByteReader, ByteWriter, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../bench/peer/wire_client.ts";
import { T_PARTITIONS } from "./victim_topics.ts";

/** Between two rounds of a client. */
const PAUSE_MS = 150;
/** How long an honest client waits for an answer before it gives up: librdkafka's `socket.timeout.ms`. */
const PATIENCE_MS = 60_000;

/** The clients; disposal ends them. */
export class HonestClients implements AsyncDisposable {
  /** What went wrong, or null. */
  failure: string | null = null;
  /** The longest round (a produce, a fetch and a metadata request) since the attack began, in ms. */
  longestMs = 0;
  /** Rounds so far. */
  rounds = 0;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #loops: Promise<void>[];
  #isStopped = false;

  /** Starts two clients, each with its own partition. */
  constructor(port: number) {
    this.#loops = [0, 1].map((partition) =>
      this.#use(port, partition).catch((error) => {
        this.failure ??= `an honest client: ${error instanceof Error ? error.message : String(error)}`;
      })
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#stopped.resolve();
    await Promise.all(this.#loops);
  }

  async #use(port: number, partition: number): Promise<void> {
    using client = await WireClient.connect(port);
    let expected = await client.listOffset({ topic: "t", partition }, -1);
    while (!this.#isStopped) {
      const startMs = performance.now();
      await inTime(useOnce(client, { partition, expected: expected++ }));
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
      this.rounds++;
      await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, PAUSE_MS);
    await Promise.race([promise, this.#stopped.promise]);
    clearTimeout(timer);
  }
}

async function useOnce(client: WireClient, of: { partition: number; expected: number }): Promise<void> {
  const at = { topic: "t", partition: of.partition };
  const batch = wireBatch([{ value: crypto.getRandomValues(new Uint8Array(16)) }]);
  const { errorCode, baseOffset } = await client.produce(at, batch);
  assert.deepEqual({ errorCode, baseOffset }, { errorCode: NONE, baseOffset: of.expected }, "its produce");
  const { records } = await client.fetch(at, baseOffset);
  assert.deepEqual(batchesOf(records)[0]?.payload, batch.subarray(21), "its fetch");
  const answer = await client.request([3, 1], new ByteWriter().int32(1).string("t").bytes);
  assert.equal(partitionsOf(answer), T_PARTITIONS, "its metadata");
}

/** Number of partitions of the first topic of a Metadata answer, version 1. */
function partitionsOf(answer: ByteReader): number | undefined {
  answer.array((r) => [r.int32(), r.string(), r.int32(), r.string()]); // brokers
  answer.int32(); // controller
  const topics = answer.array((r) => {
    assert.equal(r.int16(), NONE, "its topic");
    r.string();
    r.int8();
    return r.array((p) => [p.int16(), p.int32(), p.int32(), p.array(() => r.int32()), p.array(() => r.int32())]).length;
  });
  return topics[0];
}

async function inTime(work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
