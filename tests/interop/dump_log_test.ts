/**
 * Apache Kafka's own log tool finds nothing wrong in a directory that this broker has written: small segments, every codec,
 * idempotent and other producers, a clean stop and a second start. A canary shows that damage would be found.
 */
import assert from "node:assert/strict";
import { run } from "../../bench/peer/processes.ts";
import { wireBatch } from "../../bench/peer/wire_bytes.ts";
import { connect, partitionFiles, startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { dumpLogSegments, segmentFiles } from "./dump_log.ts";
import { interopTest } from "./toolchain.ts";

const TOPIC = "segments";
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];

interopTest({
  name: "DumpLogSegments of Apache Kafka accepts every file of a data directory, and finds a flipped byte",
  needs: ["kafka", "kcat"],
  async fn(context) {
    using directory = temporaryDirectory();
    let dataDir = "";
    await context.step("two runs of the broker write many small segments", async () => {
      for (const round of [0, 1]) {
        await using broker = await startTestBroker({ dataDir: directory.path });
        dataDir = broker.dataDir;
        await createTopic(broker);
        await writeWithKcat(broker, round);
        await writeIdempotently(broker);
        await broker.close();
      }
    });
    await context.step("nothing to complain about", async () => {
      const verdict = await dumpLogSegments(dataDir);
      assert.deepEqual(verdict.complaints, []);
      assert(verdict.batches > 100, `it has read the batches: ${verdict.batches}`);
      assert(verdict.producers > 0, "it has read producer states");
      for (const partition of CODECS.keys()) {
        assert(partitionFiles(dataDir, `${TOPIC}-${partition}`, ".log").length > 2, "the segments are small");
      }
    });
    const partition = `${TOPIC}-0`;
    await context.step(
      "canary: a flipped byte in a .log",
      () => expectComplaint(dataDir, partition, ".log", (bytes) => bytes.length >> 1),
    );
    await context.step(
      "canary: a flipped byte in an .index",
      () => expectComplaint(dataDir, partition, ".index", () => 3),
    );
    await context.step(
      "canary: a flipped byte in a .timeindex",
      () => expectComplaint(dataDir, partition, ".timeindex", () => 7),
    );
    await context.step(
      "canary: a flipped byte in a .snapshot",
      () => expectComplaint(dataDir, partition, ".snapshot", (bytes) => bytes.length - 1),
    );
    await context.step("and all is well again", async () => {
      assert.deepEqual((await dumpLogSegments(dataDir)).complaints, []);
    });
  },
});

async function createTopic(broker: TestBroker): Promise<void> {
  using wire = await connect(broker);
  const configs = { "segment.bytes": String(1 << 20), "index.interval.bytes": "4096" };
  await wire.createTopic(TOPIC, CODECS.length, configs);
}

/** 4 MB of lines that compress badly, so that every codec fills several segments. */
async function writeWithKcat(broker: TestBroker, round: number): Promise<void> {
  const random = seededBytes(round + 1);
  const lines = Array.from({ length: 4000 }, (_, i) => `${round} ${i} ${btoa(String.fromCharCode(...random(750)))}\n`);
  const stdin = new TextEncoder().encode(lines.join(""));
  for (const [partition, codec] of CODECS.entries()) {
    const result = await run("kcat", [
      ...["-P", "-b", broker.bootstrapServers, "-t", TOPIC, "-p", String(partition), "-z", codec],
      ...["-X", "batch.size=50000", "-X", `enable.idempotence=${partition % 2 === 0}`],
    ], { stdin });
    assert.equal(result.code, 0, result.stderr);
  }
}

/** Idempotent batches with timestamps that go back and forth, which tests the time index. */
async function writeIdempotently(broker: TestBroker): Promise<void> {
  using wire = await connect(broker);
  const to = { topic: TOPIC, partition: 0 };
  const producerId = await wire.initProducerId();
  const now = Date.now();
  for (let i = 0; i < 200; i++) {
    const records = [{ value: new TextEncoder().encode(`idempotent ${i} ${"-".repeat(i * 20)}`) }];
    const timestampMs = now + (i % 3 === 0 ? -i : i) * 1000;
    const batch = wireBatch(records, { timestampMs, producerId, producerEpoch: 0, baseSequence: i });
    assert.equal((await wire.produce(to, batch)).errorCode, 0);
  }
}

/** Damages a byte of the partition's first non-empty file of a kind, and restores it afterwards. */
async function expectComplaint(
  dataDir: string,
  partition: string,
  suffix: string,
  position: (bytes: Uint8Array) => number,
): Promise<void> {
  const file = partitionFiles(dataDir, partition, suffix).find(({ bytes }) => bytes.length > 16);
  assert(file, `there is a ${suffix} with contents in ${segmentFiles(dataDir).length} files`);
  const damaged = file.bytes.slice();
  damaged[position(damaged)]! ^= 0x01;
  await Deno.writeFile(file.path, damaged);
  const verdict = await dumpLogSegments(dataDir);
  await Deno.writeFile(file.path, file.bytes);
  assert(verdict.complaints.length > 0, `DumpLogSegments says that ${file.path} is damaged`);
}

/** Pseudo-random numbers that are the same in each run (xorshift32). */
function seededBytes(seed: number): (count: number) => number[] {
  let state = seed * 2654435761 >>> 0;
  return (count) =>
    Array.from({ length: count }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state & 255;
    });
}
