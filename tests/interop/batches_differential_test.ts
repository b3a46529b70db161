/**
 * Produced batches against Apache Kafka 4.3.1, whose own log appends each of them (clients/java/Append.java): 500 batches from seeds, good
 * and bad, of every codec and topic config that decides about a batch. Same error code, same record errors, same stored bytes where Kafka
 * keeps the client's, same records where it rebuilds the batch, same largest timestamp. BARNABAS_SEED=n tests another 500 from n on.
 */
import { deepEqual, equal } from "node:assert/strict";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import { resolveLogConfig } from "../../partitions/config/topics/topic_configs.ts";
import { errorCodeOf } from "../../partitions/requests/refusals.ts";
import { toOffset } from "../../storage/base/units.ts";
import { batchRules } from "../../storage/log/log_config.ts";
import { BatchRecordReader } from "../../storage/records/batch_record_reader.ts";
import type { BatchRules } from "../../storage/records/batch_rules.ts";
import * as layout from "../../storage/records/record_batch.ts";
import { listRecordErrors } from "../../storage/records/record_errors.ts";
import { checkBytes } from "../produced_batch.ts";
import { inMemory } from "../record_batch_builder.ts";
import { batchOfSeed, type ProducedBatch } from "./batches.ts";
import { answersOf } from "./kafka_tools.ts";
import { interopTest } from "./toolchain.ts";

const SEEDS = 500;
const ZSTD = layout.codecNames.indexOf("zstd");

/** What became of a batch. */
interface Verdict {
  readonly code: string;
  readonly recordErrors: readonly string[];
  readonly stored: Uint8Array;
  /** Largest timestamp that a search finds, -1 for none. */
  readonly largest: string;
}

const codeNames = new Map<number, string>(Object.entries(errorCode).map(([name, code]) => [code, name]));
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));

async function kafkaVerdicts(batches: readonly ProducedBatch[]): Promise<Verdict[]> {
  const lines = batches.map(({ version, nowMs, configs, bytes }) => {
    const pairs = Object.entries(configs).map(([name, value]) => `${name}=${value}`).join(";");
    return `${version}\t${nowMs}\t${pairs}\t${toBase64(bytes)}\n`;
  });
  const answers = await answersOf("Append", lines, "null");
  return answers.map((line) => {
    const [code = "", , errors = "", stored = "", largest = ""] = line.split("\t");
    const recordErrors = errors.split(",").filter((error) => error !== "").map((error) => {
      const [index, text = ""] = error.split(/=(.*)/s);
      return `${index} ${new TextDecoder().decode(fromBase64(text))}`;
    });
    return { code, recordErrors, stored: fromBase64(stored), largest: largest.split(" ")[1] ?? "" };
  });
}

function rulesOf({ configs, nowMs }: ProducedBatch): BatchRules {
  const broker = brokerConfigFrom(new Map());
  if ("refused" in broker) throw new Error(broker.refused);
  return { ...batchRules(resolveLogConfig(configs, broker.config)), nowMs, recordsMax: Number.MAX_SAFE_INTEGER };
}

/** The verdict of the handler of Produce and the log. */
function ownVerdict(batch: ProducedBatch): Verdict {
  const none = { recordErrors: [], stored: new Uint8Array(0), largest: "" };
  const isWhole = batch.bytes.length >= layout.BATCH_HEADER_BYTES;
  if (batch.version < 7 && isWhole && layout.codec(viewOf(batch.bytes), 0) === ZSTD) {
    return { ...none, code: "UNSUPPORTED_COMPRESSION_TYPE" };
  }
  const rules = rulesOf(batch);
  const check = checkBytes(batch.bytes, rules);
  if (check.refusal === null) {
    const view = viewOf(check.stored);
    layout.stampPlace(view, 0, { baseOffset: toOffset(0), leaderEpoch: 0 });
    const largest = layout.maxTimestamp(view, 0);
    return { ...none, code: "NONE", stored: check.stored, largest: `${largest}` };
  }
  const { memory, start } = inMemory(batch.bytes);
  const budget = { records: 1000, bytes: 1 << 20, reads: 10_000 };
  const concernsRecords = check.recordIndex >= 0 || check.refusal === "invalid-timestamp";
  const listed = concernsRecords ? listRecordErrors({ memory, start }, rules, { partition: "t-4", budget }) : null;
  const recordErrors = (listed?.errors ?? []).map(({ recordIndex, message }) => `${recordIndex} ${message}`);
  return { ...none, code: codeNames.get(errorCodeOf(listed?.refusal ?? check.refusal)) ?? "", recordErrors };
}

/** Header without length and CRC, and the records: what a batch is, whoever compressed it. */
function meaning(batch: Uint8Array): string[] {
  if (batch.length === 0) return [];
  const { memory, start } = inMemory(batch);
  const header = batch.slice(0, layout.BATCH_HEADER_BYTES);
  header.fill(0, 8, 12);
  header.fill(0, 17, 21);
  header.fill(0, 27, 35); // the base timestamp is Kafka's choice: the first record's
  const reader = BatchRecordReader.open(memory, start);
  if (typeof reader === "string") return [reader];
  const records: string[] = [];
  while (reader.next()) {
    const { offset, timestamp } = reader;
    const parts = [reader.key(), reader.value(), ...reader.headers().flatMap(({ key, value }) => [key, value])];
    records.push(`${offset} ${timestamp} ${parts.map((part) => part === null ? "null" : toBase64(part)).join(" ")}`);
  }
  return [toBase64(header), ...records, `damaged: ${reader.damaged}`];
}

/** Kafka's verdict, changed where this broker differs on purpose. */
function expectedOf(batch: ProducedBatch, kafka: Verdict, own: Verdict): Verdict {
  // Named precisely, where Kafka has no name for it.
  if (batch.name === "an unknown codec" && kafka.code === "UNKNOWN_SERVER_ERROR" && own.code !== "NONE") return own;
  // Kafka stores it for a topic with CreateTime, with a largest timestamp that no record has; its sentences show Java objects.
  if (batch.name === "the type LogAppendTime" && own.code === "INVALID_TIMESTAMP") return own;
  // Kafka means to rebuild such a batch and fails: "key is skipped in PartialDefaultRecord".
  if (kafka.code === "UNKNOWN_SERVER_ERROR" && own.code === "NONE") return own;
  // Kafka decompresses as it reads, so it may see what damage has done to a record before it sees the damage.
  const broken = ["UNKNOWN_SERVER_ERROR", "INVALID_RECORD"];
  if (batch.name.endsWith("compressed bytes") && broken.includes(kafka.code) && broken.includes(own.code)) return own;
  // Where a record breaks the format, it is named; Kafka then names none.
  const isNamed = own.recordErrors.at(-1)?.endsWith("breaks the format") ?? false;
  if (!isNamed) return kafka;
  // Kafka does not compare the length of a compressed record with its fields: it stores what no consumer can read.
  return kafka.code === "NONE" ? own : { ...kafka, recordErrors: own.recordErrors };
}

interopTest({
  name: "produced batches are stored or refused as Apache Kafka does: 500 from seeds, good and bad, of every codec",
  needs: ["java"],
  async fn() {
    const first = Number(Deno.env.get("BARNABAS_SEED") ?? 1);
    const batches = Array.from({ length: SEEDS }, (_, index) => batchOfSeed(first + index));
    const verdicts = await kafkaVerdicts(batches);
    equal(verdicts.length, SEEDS);
    const codes = new Set<string>();
    for (const [index, batch] of batches.entries()) {
      const own = ownVerdict(batch);
      const kafka = expectedOf(batch, verdicts[index]!, own);
      const which = `BARNABAS_SEED=${first + index} (${batch.name}, ${JSON.stringify(batch.configs)})`;
      codes.add(own.code);
      deepEqual([own.code, own.recordErrors], [kafka.code, kafka.recordErrors], which);
      deepEqual(meaning(own.stored), meaning(kafka.stored), which);
      const isKept = kafka.stored.length === batch.bytes.length &&
        toBase64(kafka.stored.subarray(61)) === toBase64(batch.bytes.subarray(61));
      if (isKept) deepEqual(new Uint8Array(own.stored), kafka.stored, which);
      if (own.code === "NONE") equal(own.largest, kafka.largest, which);
    }
    for (const code of ["NONE", "INVALID_RECORD", "INVALID_TIMESTAMP", "CORRUPT_MESSAGE", "UNKNOWN_SERVER_ERROR"]) {
      equal(codes.has(code), true, `${code} is among them`);
    }
  },
});
