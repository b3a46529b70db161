/**
 * Kills (SIGKILL) a broker under load while partitions move between two log directories: every acknowledged record is there once, at its
 * offset, log starts are kept, each partition lies in one directory, and no copy is left. BARNABAS_SLOW=1: 50 kills. BARNABAS_SEED replays
 * the choices.
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { type Broker, startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { deleteRecordsRequest, deleteRecordsResponse } from "../net/protocol/messages/21_delete_records.ts";
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from "../net/protocol/messages/34_alter_replica_log_dirs.ts";
import { createRandom } from "../storage/base/random.ts";
import { BrokerProcess } from "./broker_process.ts";
import { isConnectionLost, KafkaClient } from "./kafka_client.ts";
import { buildBatch } from "./record_batch_builder.ts";
import { withDirectory } from "./temporary_directory.ts";
import { create, EARLIEST, listOffset, produceTo, readBatches } from "./topic_requests.ts";
import { damageIn } from "./verified.ts";
import { chooseSeed } from "./interop/random.ts";

const KILLS = Deno.env.get("BARNABAS_SLOW") ? 50 : 5;
const TOPIC = "t";
const PARTITIONS = 4;
const IN_FLIGHT = 10;
const SEGMENT_BYTES = 20_000;
/** Moves that were accepted in a round before the kill. */
const MOVES_MIN = 30;
/** One request of this many deletes records. */
const DELETIONS_EVERY = 7;
const { NONE, NOT_LEADER_OR_FOLLOWER } = errorCode;

/** What one partition was sent. */
class SentTo {
  /** By offset, of acknowledged records. */
  readonly acknowledged = new Map<number, string>();
  /** The log start: the last one that was acknowledged, and one that may have been set. */
  logStart = 0;
  askedStart = 0;
}

/** What was sent; the number is the record's text. */
class Sent {
  readonly partitions = Array.from({ length: PARTITIONS }, () => new SentTo());
  /** Records that were sent and not answered before a kill: each may be there or not. */
  readonly unanswered = new Set<string>();
  moves = 0;
  readonly #random: () => number;
  #next = 0;

  constructor(seed: number) {
    this.#random = createRandom(seed);
  }

  /** A number from 0 to below a bound. */
  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  /** Sends until the connection breaks. */
  async run(client: KafkaClient): Promise<void> {
    const waiting: { partition: number; text: string }[] = [];
    await untilBroken(async () => {
      while (waiting.length < IN_FLIGHT) {
        const partition = this.below(PARTITIONS);
        const text = `<${this.#next++}>`.padEnd(50 + this.below(2000), ".");
        waiting.push({ partition, text });
        const records = buildBatch([{ value: text }], { baseTimestamp: Date.now() });
        await client.send(produceRequest, 9, produceTo(TOPIC, partition, records));
      }
      const answer = await client.receive(produceResponse, 9);
      if (answer === null) return false;
      const { errorCode: code = -1, baseOffset = -1 } = answer.response.responses[0]?.partitionResponses[0] ?? {};
      const { partition, text } = waiting.shift() ?? { partition: -1, text: "" };
      assert([NONE, NOT_LEADER_OR_FOLLOWER].includes(code as never), `code ${code}`);
      if (code === NONE) this.partitions[partition]?.acknowledged.set(baseOffset, text);
      return true;
    });
    for (const { text } of waiting) this.unanswered.add(text);
  }

  /** Moves partitions to and fro, and deletes records, until the connection breaks. @param enough called once the round has its moves */
  async disturb(client: KafkaClient, directories: readonly string[], enough: () => void): Promise<void> {
    const wanted = MOVES_MIN + this.below(MOVES_MIN);
    for (let asked = 0; await untilBroken(() => this.#disturbOnce(client, directories), 1); asked++) {
      if (asked === wanted) enough();
    }
  }

  async #disturbOnce(client: KafkaClient, directories: readonly string[]): Promise<boolean> {
    const partition = this.below(PARTITIONS);
    const path = directories[this.below(directories.length)] ?? "";
    const value = { dirs: [{ path, topics: [{ name: TOPIC, partitions: [partition] }] }] };
    await client.send(alterReplicaLogDirsRequest, 2, value);
    const answer = await client.receive(alterReplicaLogDirsResponse, 2);
    if (answer === null) return false;
    assert.equal(answer.response.results[0]?.partitions[0]?.errorCode, NONE);
    this.moves++;
    return this.below(DELETIONS_EVERY) > 0 || await this.#deleteRecords(client, partition);
  }

  async #deleteRecords(client: KafkaClient, partition: number): Promise<boolean> {
    const of = this.partitions[partition] as SentTo;
    const offset = of.logStart + this.below(Math.max(...of.acknowledged.keys(), of.logStart) + 1 - of.logStart);
    of.askedStart = Math.max(offset, of.logStart);
    const partitions = [{ partitionIndex: partition, offset }];
    await client.send(deleteRecordsRequest, 2, { topics: [{ name: TOPIC, partitions }], timeoutMs: 1000 });
    const answer = await client.receive(deleteRecordsResponse, 2);
    if (answer === null) return false;
    const code = answer.response.topics[0]?.partitions[0]?.errorCode;
    if (code === NONE) of.logStart = of.askedStart;
    else assert.equal(code, NOT_LEADER_OR_FOLLOWER);
    return true;
  }
}

/** Calls until it returns false, or the killed broker breaks the connection. @param times how often at most @returns whether neither came */
async function untilBroken(call: () => Promise<boolean>, times = Infinity): Promise<boolean> {
  try {
    for (let done = 0; done < times; done++) if (!await call()) return false;
    return true;
  } catch (error) {
    if (isConnectionLost(error)) return false;
    throw error;
  }
}

/** A record as it is read back. */
interface Stored {
  readonly offset: number;
  readonly text: string;
}

/** Reads a partition from an offset to its end. */
async function readBack(client: KafkaClient, partition: number, start: number): Promise<Stored[]> {
  const batches = await readBatches(client, [TOPIC, partition], start);
  return batches.map(({ baseOffset, bytes }) => {
    return { offset: baseOffset, text: /<\d+>\.*/.exec(new TextDecoder().decode(bytes))?.[0] ?? "" };
  });
}

/** Compares what is there from a log start on with what was sent. @returns sentences about what is wrong */
function problemsOf(stored: readonly Stored[], start: number, { of, sent }: { of: SentTo; sent: Sent }): string[] {
  const problems: string[] = [];
  if (start !== of.logStart && start !== of.askedStart) {
    problems.push(`the log starts at ${start}, not at ${of.logStart} or ${of.askedStart}`);
  }
  for (const [index, { offset, text }] of stored.entries()) {
    if (offset !== start + index) problems.push(`offset ${offset} comes at place ${index} after ${start}`);
    const acknowledged = of.acknowledged.get(offset);
    if (acknowledged === undefined ? !sent.unanswered.has(text) : acknowledged !== text) {
      problems.push(`what is at ${offset} was not sent there: ${text}`);
    }
  }
  const last = stored.at(-1)?.offset ?? start - 1;
  for (const offset of of.acknowledged.keys()) if (offset > last) problems.push(`offset ${offset} is missing`);
  return problems;
}

/** The directories of the topic's partitions, and of copies, after the last start. */
function directoriesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) => isDirectory ? [name] : [])
    .filter((name) => !name.endsWith("-delete")).toSorted();
}

/** Reads everything back, and notes what a later round must find. */
async function check(broker: Broker, sent: Sent, about: string): Promise<void> {
  using client = await KafkaClient.connect(broker);
  for (const [partition, of] of sent.partitions.entries()) {
    const [, start] = await listOffset(client, [TOPIC, partition], EARLIEST);
    const stored = await readBack(client, partition, start);
    assert.deepEqual(problemsOf(stored, start, { of, sent }), [], `partition ${partition}, ${about}`);
    [of.logStart, of.askedStart] = [start, start];
    for (const { offset, text } of stored) of.acknowledged.set(offset, text);
    for (const offset of of.acknowledged.keys()) if (offset < start) of.acknowledged.delete(offset);
    if (stored.length > 2) assertLossIsNoticed(stored, start, { of, sent });
  }
}

/** Canary: a missing, doubled or changed record is a problem, and so is another log start. */
function assertLossIsNoticed(stored: readonly Stored[], start: number, by: { of: SentTo; sent: Sent }): void {
  const middle = stored.length >> 1;
  const record = stored[middle] as Stored;
  const broken = [
    stored.toSpliced(middle, 1),
    stored.toSpliced(middle, 0, record),
    stored.toSpliced(middle, 1, { ...record, text: "<x>" }),
    stored.slice(0, -1),
  ];
  for (const [index, changed] of broken.entries()) {
    assert.ok(problemsOf(changed, start, by).length > 0, `change ${index}`);
  }
  assert.ok(problemsOf(stored, start + 1, by).length > 0);
}

Deno.test(`over ${KILLS} kills while partitions move between log directories, nothing is lost, and no copy is left`, () =>
  withDirectory(async (root) => {
    const seed = chooseSeed();
    const sent = new Sent(seed);
    const directories = [join(root, "a"), join(root, "b")];
    const overrides = {
      "log.dirs": directories.join(","),
      "log.flush.offset.checkpoint.interval.ms": "70",
      "log.segment.delete.delay.ms": "50",
    };
    let interrupted = 0;
    for (let round = 1; round <= KILLS; round++) {
      const about = `round ${round}, seed ${seed}`;
      {
        await using broker = await BrokerProcess.start({ overrides });
        using client = await KafkaClient.connect(broker);
        using mover = await KafkaClient.connect(broker);
        if (round === 1) await create(client, TOPIC, PARTITIONS, { "internal.segment.bytes": String(SEGMENT_BYTES) });
        await Promise.all([sent.run(client), sent.disturb(mover, directories, () => void broker.kill())]);
        await broker.kill();
      }
      interrupted += directories.flatMap(directoriesIn).filter((name) => name.endsWith("-future")).length;
      {
        await using broker = await startBroker({
          port: 0,
          shards: 2,
          overrides,
        });
        await check(broker, sent, about);
        await broker.close();
      }
      const names = Array.from({ length: PARTITIONS }, (_, partition) => `${TOPIC}-${partition}`);
      assert.deepEqual(directories.flatMap(directoriesIn).toSorted(), names, about);
      assert.deepEqual(directories.flatMap(damageIn), [], about);
    }
    assert.ok(interrupted > 0, `some kills came in the middle of a move; seed ${seed}`);
  }));
