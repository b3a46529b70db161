/**
 * The broker is killed (SIGKILL) while four producers write, then started again and read completely. Every acknowledged batch is at its
 * offset with its bytes, everything else is a whole batch that was sent, offsets have no gap, and an idempotent producer that sends its
 * unacknowledged batches again makes no duplicate. BARNABAS_SEED replays sizes and contents, not the moment of the kill.
 */
import assert from "node:assert/strict";
import { batchesOf, type BatchView, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, type TopicPartition, WireClient } from "../../bench/peer/wire_client.ts";
import { startBrokerProcess, temporaryDirectory } from "./broker.ts";
import { assertSameBytes } from "./lines.ts";
import { chooseSeed, Random } from "./random.ts";
import { interopTest, slowTestsWanted } from "./toolchain.ts";

const TOPIC = "killed";
const WRITERS = 4;
const IN_FLIGHT = 5;
const ROUNDS = slowTestsWanted() ? 12 : 3;

/** A batch that a writer has sent. */
interface SentBatch {
  readonly bytes: Uint8Array;
  /** The bytes from the attributes to the end, which must be read back unchanged. */
  readonly payload: Uint8Array;
  readonly baseSequence: number;
  baseOffset: number | null;
}

/** A producer with its own partition, for all rounds. Those with even numbers are idempotent. */
class Writer {
  readonly target: TopicPartition;
  readonly sent: SentBatch[] = [];
  readonly #random: Random;
  readonly #idempotent: boolean;
  #producerId = -1;
  #nextSequence = 0;

  constructor(partition: number, seed: number) {
    this.target = { topic: TOPIC, partition };
    this.#random = new Random(seed + partition);
    this.#idempotent = partition % 2 === 0;
  }

  /**
   * Writes with five requests in flight until the connection breaks.
   * @param onAcknowledged called after each acknowledgement
   */
  async run(port: number, onAcknowledged: () => void): Promise<void> {
    using client = await WireClient.connect(port);
    if (this.#idempotent && this.#producerId < 0) this.#producerId = await client.initProducerId();
    // An idempotent producer sends again after a lost connection; another cannot know what was stored, and does not.
    const waiting = this.#idempotent ? this.sent.filter((batch) => batch.baseOffset === null) : [];
    try {
      for (const batch of waiting) await client.sendProduce(this.target, batch.bytes);
      while (true) {
        while (waiting.length < IN_FLIGHT) {
          const batch = this.#nextBatch();
          this.sent.push(batch);
          waiting.push(batch);
          await client.sendProduce(this.target, batch.bytes);
        }
        const answer = await client.receiveProduced();
        if (answer === null) return;
        assert.equal(answer.errorCode, NONE, `produce to partition ${this.target.partition}`);
        waiting.shift()!.baseOffset = answer.baseOffset;
        onAcknowledged();
      }
    } catch (error) {
      if (!brokenConnections.some((kind) => error instanceof kind)) throw error;
    }
  }

  #nextBatch(): SentBatch {
    const records = Array.from({ length: 1 + this.#random.below(20) }, () => ({
      key: this.#random.oneIn(3) ? null : this.#random.bytes(8),
      value: this.#random.bytes(this.#random.oneIn(50) ? 30_000 : this.#random.below(400)),
    }));
    const baseSequence = this.#idempotent ? this.#nextSequence : -1;
    this.#nextSequence += records.length;
    const producerId = this.#producerId;
    const producerEpoch = this.#idempotent ? 0 : -1;
    const bytes = wireBatch(records, { producerId, producerEpoch, baseSequence });
    return { bytes, payload: bytes.subarray(21), baseSequence, baseOffset: null };
  }

  /** Compares everything that the partition holds with what was sent and acknowledged. */
  verify(stored: readonly BatchView[]): void {
    const at = `partition ${this.target.partition}`;
    const sent = new Set(this.sent.map((batch) => hex(batch.payload)));
    let next = 0;
    for (const batch of stored) {
      assert.equal(batch.baseOffset, next, `${at} has no gap`);
      assert(sent.has(hex(batch.payload)), `${at}, offset ${batch.baseOffset}: a batch that was sent`);
      next += batch.recordsCount;
    }
    const byOffset = new Map(stored.map((batch) => [batch.baseOffset, batch]));
    for (const { baseOffset, payload } of this.sent) {
      if (baseOffset === null) continue;
      const found = byOffset.get(baseOffset);
      assert(found, `${at}: the batch acknowledged at offset ${baseOffset} is there (log end ${next})`);
      assertSameBytes(found.payload, payload);
    }
    if (this.#idempotent) {
      assert.equal(new Set(stored.map((batch) => hex(batch.payload))).size, stored.length, `${at} has no duplicate`);
    }
  }

  get acknowledged(): number {
    return this.sent.filter((batch) => batch.baseOffset !== null).length;
  }
}

const brokenConnections = [
  Deno.errors.ConnectionReset,
  Deno.errors.BrokenPipe,
  Deno.errors.ConnectionAborted,
  Deno.errors.UnexpectedEof,
];

interopTest({
  name: `kill: over ${ROUNDS} rounds of SIGKILL under load no acknowledged batch is lost or changed`,
  async fn(context) {
    using directory = temporaryDirectory();
    const random = new Random(chooseSeed());
    const writers = Array.from({ length: WRITERS }, (_, partition) => new Writer(partition, random.seed));
    for (let round = 1; round <= ROUNDS; round++) {
      const target = 500 + random.below(1500);
      await context.step(`round ${round}: killed after ${target} acknowledgements (seed ${random.seed})`, async () => {
        await using broker = await startBrokerProcess({ dataDir: directory.path });
        using client = await WireClient.connect(broker.port);
        await createTopic(client);
        await verifyAll(client, writers);
        let left = target;
        const onAcknowledged = () => {
          if (--left === 0) broker.process.signal("SIGKILL");
        };
        await Promise.all(writers.map((writer) => writer.run(broker.port, onAcknowledged)));
        assert((await broker.process.status).signal === "SIGKILL", "it was the kill that ended the round");
      });
    }
    await context.step("everything acknowledged is there, and a loss would be noticed", async () => {
      await using broker = await startBrokerProcess({ dataDir: directory.path });
      using client = await WireClient.connect(broker.port);
      await createTopic(client);
      await verifyAll(client, writers);
      const acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
      assert(acknowledged >= ROUNDS * 500, `the writers were heard: ${acknowledged}`);
      assertLossIsNoticed(writers[0]!, await everything(client, writers[0]!.target));
    });
  },
});

/** Canary: a missing, doubled or changed batch fails the check. */
function assertLossIsNoticed(writer: Writer, stored: readonly BatchView[]): void {
  assert.throws(() => writer.verify(stored.slice(0, -IN_FLIGHT - 1)), /is there/);
  assert.throws(() => writer.verify(stored.toSpliced(3, 1)), /no gap/);
  const last = stored.at(-1)!;
  const again = { ...last, baseOffset: last.baseOffset + last.recordsCount };
  assert.throws(() => writer.verify([...stored, again]), /no duplicate/);
  const changed = { ...stored[0]!, payload: stored[0]!.payload.slice().fill(1, 0, 1) };
  assert.throws(() => writer.verify([changed, ...stored.slice(1)]), /a batch that was sent/);
}

/** Creates the topic, or waits until its partitions have leaders again. */
async function createTopic(client: WireClient): Promise<void> {
  await client.createTopic(TOPIC, WRITERS, { "segment.bytes": String(1 << 20) });
}

async function verifyAll(client: WireClient, writers: readonly Writer[]): Promise<void> {
  for (const writer of writers) writer.verify(await everything(client, writer.target));
}

/** All batches of a partition, read by fetches. */
async function everything(client: WireClient, from: TopicPartition): Promise<BatchView[]> {
  const found: BatchView[] = [];
  for (let next = 0;;) {
    const { errorCode, highWatermark, records } = await client.fetch(from, next);
    assert.equal(errorCode, NONE, `fetch of ${from.topic}-${from.partition} at offset ${next}`);
    const batches = batchesOf(records);
    if (next === highWatermark && batches.length === 0) return found;
    assert(batches.length > 0, `a fetch below the high watermark ${highWatermark} returns a batch at ${next}`);
    for (const batch of batches) {
      assert(batch.crcMatches, `CRC-32C at offset ${batch.baseOffset}`);
      found.push(batch);
      next = batch.baseOffset + batch.recordsCount;
    }
  }
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}
