/**
 * A partition directory that Apache Kafka 4.3.1 wrote and closed (golden/kafka_partition: one segment for each codec, idempotent
 * producers, `segment.ms=1500`, `index.interval.bytes=1024`) can be opened, and from the same batches this broker writes the same files,
 * byte for byte.
 */
import { strict as assert } from "node:assert";
import { type Offset, toOffset } from "../storage/base/units.ts";
import type { Log } from "../storage/log/log.ts";
import { batchesIn, findByTime, openLog, readAll, type StoredBatch, testConfig, TestDirectory } from "./log_fixture.ts";
import { inMemory } from "./record_batch_builder.ts";

const golden = new URL("./golden/kafka_partition/", import.meta.url).pathname;
const names = [...Deno.readDirSync(golden)].map((entry) => entry.name).sort();
const config = { ...testConfig, segmentMs: 1500, indexIntervalBytes: 1024 };
const topicId = "haeFy9DXTaehpU3qp_bycA";
// Never: the producers of these files have been idle for a long time.
const producerIdExpirationMs = Infinity;

const goldenBatches: StoredBatch[] = names.filter((name) => name.endsWith(".log")).flatMap((name) =>
  batchesIn(Deno.readFileSync(golden + name))
);

function copyGolden(partition: string): void {
  Deno.mkdirSync(partition);
  for (const name of names) Deno.copyFileSync(golden + name, `${partition}/${name}`);
}

function assertSameFiles(partition: string): void {
  assert.deepEqual([...Deno.readDirSync(partition)].map((entry) => entry.name).sort(), names);
  for (const name of names) {
    assert.deepEqual(Deno.readFileSync(`${partition}/${name}`), Deno.readFileSync(golden + name), name);
  }
}

/** Sends a stored batch as its producer did: base offset 0, no leader epoch. */
function resend(log: Log, batch: StoredBatch, nowMs: number) {
  const bytes = batch.bytes.slice();
  new DataView(bytes.buffer).setBigInt64(0, 0n);
  new DataView(bytes.buffer).setInt32(12, -1);
  const { memory, start, length } = inMemory(bytes);
  return log.appendAsLeader(memory, start, length, { leaderEpoch: 0, nowMs });
}

Deno.test("Log opens a partition of Apache Kafka after a clean stop, reads it, and does not change it", () => {
  using directory = new TestDirectory();
  copyGolden(directory.partition);
  using log = openLog(directory.partition, { config, topicId, cleanShutdown: true, producerIdExpirationMs });
  assert.deepEqual([log.logStartOffset, log.logEndOffset, log.latestLeaderEpoch], [0, 120, 0]);
  assert.deepEqual(log.segments().map((segment) => segment.baseOffset), [0, 24, 48, 72, 96]);
  assert.deepEqual(readAll(log), goldenBatches);
  assert.equal(log.close({ clean: true }), true);
  assertSameFiles(directory.partition);
});

Deno.test("Log finds records of a partition of Apache Kafka by timestamp, through every codec", () => {
  using directory = new TestDirectory();
  copyGolden(directory.partition);
  using log = openLog(directory.partition, { config, cleanShutdown: true });
  for (const batch of goldenBatches) {
    const found = findByTime(log, batch.maxTimestamp, log.logEndOffset)!;
    assert.equal(found.timestamp, batch.maxTimestamp);
    const first = goldenBatches.find((candidate) => candidate.maxTimestamp >= batch.maxTimestamp)!;
    assert.ok(found.offset >= first.baseOffset && found.offset <= first.lastOffset);
    const later = goldenBatches.find((candidate) => candidate.maxTimestamp > batch.maxTimestamp);
    const above = findByTime(log, batch.maxTimestamp + 1, log.logEndOffset);
    assert.equal(above !== null, later !== undefined);
    if (later) assert.ok(above!.offset >= later.baseOffset && above!.offset <= later.lastOffset);
  }
  const last = goldenBatches.at(-1)!;
  assert.equal(findByTime(log, "largest", log.logEndOffset)?.offset, last.lastOffset);
  assert.equal(findByTime(log, "largest", toOffset(last.lastOffset)), null);
});

Deno.test("Log knows the producers of Apache Kafka's snapshot", () => {
  using directory = new TestDirectory();
  copyGolden(directory.partition);
  using log = openLog(directory.partition, { config, cleanShutdown: true, producerIdExpirationMs });
  assert.equal(log.producers.size, 5);
  const last = goldenBatches.at(-1)!;
  const again = resend(log, last, last.maxTimestamp);
  assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, last.baseOffset]);
});

Deno.test("Log rebuilds the indexes, epochs and snapshots of Apache Kafka byte for byte after a crash", () => {
  using directory = new TestDirectory();
  copyGolden(directory.partition);
  for (const name of names) {
    const path = `${directory.partition}/${name}`;
    // The active segment's indexes are as after a kill of Kafka; the other files are missing, as if they had not reached the disk.
    if (name.startsWith("00000000000000000096.") && name.endsWith("index")) Deno.truncateSync(path, 10_485_756);
    else if (/index$|snapshot$/.test(name)) Deno.removeSync(path);
    else if (name === "leader-epoch-checkpoint") Deno.writeTextFileSync(path, "");
  }
  const log = openLog(directory.partition, { config, recoveryPoint: toOffset(0), producerIdExpirationMs });
  assert.deepEqual(readAll(log), goldenBatches);
  log.close({ clean: true });
  for (const name of names) {
    if (/^0+(24|48)\.snapshot$/.test(name)) continue; // like Kafka's, recovery writes only those of the last two segments
    assert.deepEqual(Deno.readFileSync(`${directory.partition}/${name}`), Deno.readFileSync(golden + name), name);
  }
});

Deno.test("Log writes the files of Apache Kafka byte for byte when it is sent the same batches", () => {
  for (const appendMode of ["pwrite", "mapped"] as const) {
    using directory = new TestDirectory();
    const log = openLog(directory.partition, { config: { ...config, appendMode }, topicId, producerIdExpirationMs });
    let next: Offset = toOffset(0);
    for (const batch of goldenBatches) {
      const result = resend(log, batch, batch.maxTimestamp);
      assert.deepEqual([result.refusal, result.baseOffset], [null, batch.baseOffset], result.message);
      next = toOffset(result.lastOffset + 1);
    }
    assert.equal(log.logEndOffset, next);
    log.close({ clean: true });
    assertSameFiles(directory.partition);
  }
});
