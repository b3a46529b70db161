/**
 * Apache Kafka's own tool reads what the log wrote: every batch valid, every index entry right. It exits 0 on damage, so its
 * output is searched. A damaged log is the canary that the search must find.
 *
 * Needs Java and Kafka's jars (BARNABAS_KAFKA_LIB, or ~/.cache/kafka-peer/lib). Without them it is skipped and prints why.
 */
import { strict as assert } from "node:assert";
import { append, openLog, recordsOf, testConfig, TestDirectory } from "./log_fixture.ts";
import { TEST_TIMESTAMP } from "./record_batch_builder.ts";

const library = Deno.env.get("BARNABAS_KAFKA_LIB") ?? `${Deno.env.get("HOME")}/.cache/kafka-peer/lib`;
const DAMAGE =
  /isvalid: false|Found timestamp mismatch|Found out of order|Mismatches in|Index timestamp of|Exception|Error/;

function missing(): string | null {
  try {
    const jars = [...Deno.readDirSync(library)].map((entry) => entry.name);
    if (!jars.some((name) => /^kafka-tools-\d.*\.jar$/.test(name))) return `no kafka-tools jar in ${library}`;
    return new Deno.Command("java", { args: ["-version"], stderr: "null" }).outputSync().success ? null : "no Java";
  } catch (error) {
    return `${error}`;
  }
}

const reason = missing();
// deno-lint-ignore no-console -- a skipped test says why
if (reason !== null) console.warn(`dump_log_segments_test is skipped: ${reason}`);

function dump(directory: string, options: string[]): string {
  const files = [...Deno.readDirSync(directory)].map((entry) => `${directory}/${entry.name}`).filter((path) =>
    /\.(log|index|timeindex|snapshot)$|leader-epoch-checkpoint$/.test(path) && !path.endsWith("leader-epoch-checkpoint")
  ).sort();
  const { stdout, stderr, success } = new Deno.Command("java", {
    args: [
      "-XX:TieredStopAtLevel=1",
      "-cp",
      `${library}/*`,
      "org.apache.kafka.tools.DumpLogSegments",
      ...options,
      "--files",
      files.join(","),
    ],
  }).outputSync();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.ok(success, text);
  return text;
}

function writeLog(partition: string): number {
  const config = { ...testConfig, segmentBytes: 40_000, indexIntervalBytes: 1000 };
  using log = openLog(partition, { config });
  for (let i = 0; i < 300; i++) {
    const codec = (["none", "gzip", "snappy", "lz4", "zstd"] as const)[i % 5];
    const timestamp = TEST_TIMESTAMP + (i % 7 === 0 ? i * 10 : i);
    const idempotent = i % 3 === 0 ? { producerId: 5000 + i % 2, producerEpoch: 0, baseSequence: 0 } : {};
    if (i % 3 === 0) Object.assign(idempotent, { baseSequence: nextSequence(i) });
    const result = append(log, recordsOf(1 + i % 9, 100, timestamp), {
      codec,
      leaderEpoch: Math.floor(i / 100),
      ...idempotent,
    });
    assert.equal(result.refusal, null, result.message);
  }
  const end = log.logEndOffset;
  assert.equal(log.close({ clean: true }), true);
  return end;
}

const sequences = new Map<number, number>();
function nextSequence(i: number): number {
  const producerId = 5000 + i % 2;
  const sequence = sequences.get(producerId) ?? 0;
  sequences.set(producerId, sequence + 1 + i % 9);
  return sequence;
}

Deno.test({
  name: "Log writes segments, indexes and snapshots in which Kafka's DumpLogSegments finds no fault",
  ignore: reason !== null,
  fn() {
    using directory = new TestDirectory();
    const end = writeLog(directory.partition);
    const text = dump(directory.partition, ["--deep-iteration"]);
    assert.doesNotMatch(text, DAMAGE);
    const last = Math.max(...[...text.matchAll(/lastOffset: (\d+)/g)].map((match) => Number(match[1])));
    assert.equal(last, end - 1, "the tool read to the log's end");
    assert.ok((text.match(/isvalid: true/g) ?? []).length >= 300);
    assert.ok((text.match(/^timestamp: /gm) ?? []).length > 20, "time index entries were read");
    assert.ok((text.match(/^offset: \d+ position: /gm) ?? []).length > 50, "index entries were read");
    assert.match(text, /producerId: 5001 producerEpoch: 0/);
  },
});

Deno.test({
  name: "the search for damage in the output of DumpLogSegments finds a flipped bit and wrong index entries (canary)",
  ignore: reason !== null,
  fn() {
    using directory = new TestDirectory();
    writeLog(directory.partition);
    const names = [...Deno.readDirSync(directory.partition)].map((entry) => entry.name).sort();
    const flip = (ending: string, at: number) => {
      const path = `${directory.partition}/${names.find((name) => name.endsWith(ending))}`;
      const bytes = Deno.readFileSync(path);
      bytes[at]! ^= 1;
      Deno.writeFileSync(path, bytes);
    };
    flip(".log", 2000);
    flip(".index", 15);
    flip(".timeindex", 7);
    const text = dump(directory.partition, []);
    assert.match(text, /isvalid: false/);
    assert.match(text, /Mismatches in :.*\.index/);
    assert.match(text, /(Found timestamp mismatch|Mismatches) in :.*\.timeindex/);
  },
});
