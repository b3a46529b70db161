/**
 * Apache Kafka's own tool reads what the log wrote: every batch valid, every index entry right. It exits 0 on damage, so its
 * output is searched. A damaged log is the canary that the search must find.
 *
 * Needs Java and Kafka's jars (BARNABAS_KAFKA_LIB, or ~/.cache/kafka-peer/lib). Without them it is skipped and prints why.
 */
import { strict as assert } from "node:assert";
import { createRandom } from "../storage/base/random.ts";
import { toOffset } from "../storage/base/units.ts";
import { linuxFileSystem } from "../storage/sys/file_system.ts";
import { verifyPartition } from "../storage/inspection/verified_partition.ts";
import { cleanAndSwap, decodeLog, jobOf } from "./cleaning_fixture.ts";
import { CleaningWorld } from "./cleaning_world.ts";
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
    /\.(log|index|timeindex|txnindex|snapshot)$|leader-epoch-checkpoint$/.test(path) &&
    !path.endsWith("leader-epoch-checkpoint")
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

/** A log of all kinds of batches, cleaned twice, the second time when tombstones and markers are due. */
function writeCleanedLog(partition: string, seed: number): void {
  const world = new CleaningWorld(partition, createRandom(seed));
  for (let count = 0; count < 300; count++) {
    world.append();
    if (count % 40 === 39) world.roll();
    // From here on they are idle, so that later records take the place of all of theirs.
    if (count === 150) {
      for (const producer of world.producers.slice(0, 2)) producer.isKnown = producer.openSince >= 0;
    }
  }
  world.roll();
  const firstUncleanableOffset = toOffset(Math.min(world.activeBase, world.lastStableOffset));
  const known = world.producers.slice(0, 2);
  const settings = {
    firstUncleanableOffset,
    deleteRetentionMs: 1000,
    segmentBytes: 20_000,
    indexIntervalBytes: 300,
    producers: {
      producerIds: Float64Array.from(known, ({ producerId }) => producerId),
      epochs: Int16Array.from(known, ({ epoch }) => epoch),
      lastDataOffsets: Float64Array.from(known, ({ lastDataOffset }) => lastDataOffset),
    },
  };
  cleanAndSwap(jobOf(partition, { ...settings, nowMs: world.nowMs }));
  cleanAndSwap(jobOf(partition, { ...settings, nowMs: world.nowMs + 1000 }));
  using log = openLog(partition, { config: { ...testConfig, compact: true }, producerIdExpirationMs: Infinity });
  assert.ok(log.close({ clean: true }));
}

Deno.test({
  name: "cleanLog() writes segments and indexes in which Kafka's DumpLogSegments, and verify, find no fault",
  ignore: reason !== null,
  fn() {
    const seen = { emptyBatches: 0, horizons: 0, timestamps: 0 };
    for (const seed of [1, 2, 3, 4]) {
      using directory = new TestDirectory();
      writeCleanedLog(directory.partition, seed);
      const batches = decodeLog(directory.partition);
      // Offsets have gaps after compaction: the tool lists them, and they are right.
      const text = dump(directory.partition, ["--deep-iteration"]);
      assert.doesNotMatch(text.replaceAll(/^Non-consecutive offsets in .*/gm, ""), DAMAGE);
      assert.equal((text.match(/isvalid: true/g) ?? []).length, batches.length);
      seen.emptyBatches += batches.filter(({ records }) => records.length === 0).length;
      seen.horizons += (text.match(/deleteHorizonMs: OptionalLong\[\d+\]/g) ?? []).length;
      seen.timestamps += (text.match(/^timestamp: /gm) ?? []).length;
      const partition = { directory: directory.partition, durableBelow: Infinity };
      const findings = [...verifyPartition(linuxFileSystem, partition)].filter((report) => "text" in report);
      assert.deepEqual(findings, []);
    }
    assert.ok(Object.values(seen).every((count) => count > 3), JSON.stringify(seen));
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
