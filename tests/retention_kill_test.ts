/**
 * Kills (SIGKILL) under load while retention runs: every acknowledged record that the rules keep is there once, at its offset, and the
 * next start clears what the kill left of removed files. BARNABAS_SLOW=1: 50 kills. BARNABAS_SEED replays the sizes.
 */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { createRandom } from "../storage/base/random.ts";
import { BrokerProcess } from "./broker_process.ts";
import { isConnectionLost, KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { create, EARLIEST, listOffset, produceTo, readBatches } from "./topic_requests.ts";
import { chooseSeed } from "./interop/random.ts";

const KILLS = Deno.env.get("BARNABAS_SLOW") ? 50 : 4;
const TOPIC = "t";
const IN_FLIGHT = 20;
const SEGMENT_BYTES = 20_000;
/** A topic that keeps this much has lost nothing that it may not lose. */
const RETENTION_BYTES = 200_000;
/** Most looks at the directory until what a kill left is gone. */
const LOOKS_MAX = 20_000;
/** Files of removed segments wait this long in one round of two (few or none are there at a kill), and 10 s in the other. */
const SHORT_DELETE_DELAY_MS = 50;
const LONG_DELETE_DELAY_MS = 10_000;
/** Records in a round before the kill. */
const RECORDS_MIN = 400;

const overrides = {
  "log.initial.task.delay.ms": "0",
  "log.retention.check.interval.ms": "5",
  "log.flush.start.offset.checkpoint.interval.ms": "40",
  "log.flush.offset.checkpoint.interval.ms": "70",
};
/** For a broker that removes nothing but what a kill left. */
const withoutRetention = {
  ...withDeleteDelay(SHORT_DELETE_DELAY_MS),
  "log.initial.task.delay.ms": String(24 * 3_600_000),
};
const configs = {
  "internal.segment.bytes": String(SEGMENT_BYTES),
  "retention.bytes": String(RETENTION_BYTES),
};

function withDeleteDelay(delayMs: number): Record<string, string> {
  return { ...overrides, "log.segment.delete.delay.ms": String(delayMs) };
}

/** What was sent; the number is the record's text. */
class Sent {
  /** By offset, of acknowledged records. */
  readonly acknowledged = new Map<number, string>();
  readonly #random: () => number;
  #next = 0;
  /** Records that were sent and not answered before a kill: each may be there or not. */
  readonly unanswered = new Set<string>();

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  /** Sends until the connection breaks. @param enough called when the round has its records */
  async run(client: KafkaClient, enough: () => void): Promise<void> {
    const waiting: string[] = [];
    const wanted = RECORDS_MIN + Math.floor(this.#random() * RECORDS_MIN);
    for (let answered = 0;; answered++) {
      if (answered === wanted) enough();
      try {
        while (waiting.length < IN_FLIGHT) {
          const text = `<${this.#next++}>`.padEnd(50 + Math.floor(this.#random() * 2000), ".");
          waiting.push(text);
          const records = buildBatch([{ value: text }], { baseTimestamp: Date.now() });
          await client.send(produceRequest, 9, produceTo(TOPIC, 0, records));
        }
        const answer = await client.receive(produceResponse, 9);
        if (answer === null) break;
        const partition = answer.response.responses[0]?.partitionResponses[0];
        assert.equal(partition?.errorCode, errorCode.NONE);
        this.acknowledged.set(partition?.baseOffset ?? -1, waiting.shift() ?? "");
      } catch (error) {
        if (!isConnectionLost(error)) throw error;
        break;
      }
    }
    for (const text of waiting) this.unanswered.add(text);
  }
}

/** A record as it is read back, with the bytes of its batch. */
interface Stored {
  readonly offset: number;
  readonly text: string;
  readonly bytes: number;
}

/** Reads a partition from its log start to its end, while nothing is removed. */
async function readBack(client: KafkaClient): Promise<Stored[]> {
  const batches = await readBatches(client, [TOPIC, 0], await logStart(client));
  return batches.map(({ baseOffset, bytes }) => {
    const text = /<\d+>\.*/.exec(new TextDecoder().decode(bytes))?.[0] ?? "";
    return { offset: baseOffset, text, bytes: bytes.length };
  });
}

async function logStart(client: KafkaClient): Promise<number> {
  return (await listOffset(client, [TOPIC, 0], EARLIEST))[1];
}

/** Compares what is there with what was sent. @returns sentences about what is wrong */
function problemsOf(stored: readonly Stored[], sent: Sent): string[] {
  const problems: string[] = [];
  const first = stored[0]?.offset ?? 0;
  const last = stored.at(-1)?.offset ?? -1;
  for (const [index, { offset }] of stored.entries()) {
    if (offset !== first + index) problems.push(`offset ${offset} comes at place ${index} after ${first}`);
  }
  const byOffset = new Map(stored.map((record) => [record.offset, record.text]));
  for (const [offset, text] of sent.acknowledged) {
    if (offset >= first && byOffset.get(offset) !== text) {
      problems.push(`the record acknowledged at ${offset} is not there`);
    }
  }
  for (const { offset, text } of stored) {
    if (!sent.acknowledged.has(offset) && !sent.unanswered.has(text)) problems.push(`nobody sent what is at ${offset}`);
  }
  if (Math.max(-1, ...sent.acknowledged.keys()) > last) problems.push("the newest records are missing");
  const bytes = stored.reduce((sum, record) => sum + record.bytes, 0);
  if (first > 0 && bytes < RETENTION_BYTES) problems.push(`only ${bytes} bytes are left of ${RETENTION_BYTES}`);
  return problems;
}

Deno.test(`over ${KILLS} kills with retention running, no acknowledged record is lost that the rules keep`, () =>
  withDirectory(async (dataDir) => {
    const seed = chooseSeed();
    const sent = new Sent(seed);
    const removedFiles = () =>
      [...Deno.readDirSync(`${dataDir}/${TOPIC}-0`)].filter(({ name }) => name.endsWith(".deleted")).length;
    let leftovers = 0;
    for (let round = 1; round <= KILLS; round++) {
      {
        const delay = round % 2 === 0 ? LONG_DELETE_DELAY_MS : SHORT_DELETE_DELAY_MS;
        const broker = await BrokerProcess.start({ dataDir, overrides: withDeleteDelay(delay) });
        using client = await KafkaClient.connect(broker);
        if (round === 1) await create(client, TOPIC, 1, configs);
        await sent.run(client, () => void broker.kill());
        await broker.kill();
        leftovers += removedFiles();
      }
      const broker = await BrokerProcess.start({ dataDir, overrides: withoutRetention });
      using client = await KafkaClient.connect(broker);
      const stored = await readBack(client);
      assert.deepEqual(problemsOf(stored, sent), [], `round ${round}, seed ${seed}`);
      // Each look takes a round trip, which makes time pass; a log start that was written down may be above a segment's end.
      for (let look = 0; removedFiles() > 0; look++) {
        assert.ok(look < LOOKS_MAX, "a start removes what the kill left");
        await logStart(client);
      }
      await broker.kill();
      if (round < KILLS) continue;
      assertLossIsNoticed(stored, sent);
      assert.ok(
        (stored[0]?.offset ?? 0) > KILLS * RECORDS_MIN / 2,
        `retention ran: the log starts at ${stored[0]?.offset}`,
      );
    }
    assert.ok(leftovers > 0, "some kills left files of removed segments");
  }));

/** Canary: a missing, doubled or changed record is a problem, and so is one that retention removed too early. */
function assertLossIsNoticed(stored: readonly Stored[], sent: Sent): void {
  const middle = stored.length >> 1;
  const [record] = stored.slice(middle);
  assert.ok(record !== undefined);
  const broken = [
    stored.toSpliced(middle, 1),
    stored.toSpliced(middle, 0, record),
    stored.toSpliced(middle, 1, { ...record, text: "<x>" }),
    stored.slice(0, -IN_FLIGHT - 1),
    stored.slice(-IN_FLIGHT),
  ];
  for (const [index, changed] of broken.entries()) assert.ok(problemsOf(changed, sent).length > 0, `change ${index}`);
}
