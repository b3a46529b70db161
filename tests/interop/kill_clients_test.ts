/**
 * The broker is killed (SIGKILL) while idempotent producers of librdkafka and Java write in every codec to topics that flush each batch,
 * and is started again on the same port. After each start every acknowledged record exists once, in the order of its producer, at dense
 * offsets. In the end Apache Kafka's DumpLogSegments finds no fault in any file, and every batch has the codec that its topic asks for.
 */
import assert from "node:assert/strict";
import { freePort } from "../../bench/peer/processes.ts";
import { WireClient } from "../../bench/peer/wire_client.ts";
import { type BrokerProcess, startBrokerProcess, temporaryDirectory } from "./broker.ts";
import { dumpLogSegments } from "./dump_log.ts";
import { type NumberedStream, readStreams, streamLibraries, StreamProgram, verifyStream } from "./numbered_streams.ts";
import { chooseSeed, Random } from "./random.ts";
import { interopTest, slowTestsWanted } from "./toolchain.ts";

const ROUNDS = slowTestsWanted() ? 50 : 5;
const SEGMENT_BYTES = slowTestsWanted() ? 4 << 20 : 1 << 20;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];

/** A topic of the test: `compression.type`, and for each client's codec the codec of the stored batches. */
interface KilledTopic {
  readonly name: string;
  readonly compressionType: string;
  /** Codecs of its producers; each has a partition for each library. */
  readonly codecs: readonly string[];
  readonly storedCodec: (clientCodec: string) => string;
}

const topics: readonly KilledTopic[] = [
  { name: "as-produced", compressionType: "producer", codecs: CODECS, storedCodec: (codec) => codec },
  ...["uncompressed", "gzip", "snappy", "lz4", "zstd"].map((compressionType, index) => ({
    name: `as-${compressionType}`,
    compressionType,
    // Another codec than the topic's, a different one in each.
    codecs: [CODECS[(index + 2) % CODECS.length]!],
    storedCodec: () => compressionType === "uncompressed" ? "none" : compressionType,
  })),
];

const streams: readonly NumberedStream[] = topics.flatMap(({ name, codecs }) =>
  codecs.flatMap((codec, index) =>
    streamLibraries.map((library, at) => ({
      library,
      topic: name,
      partition: index * streamLibraries.length + at,
      codec,
    }))
  )
);

interopTest({
  name: `kill: over ${ROUNDS} rounds of SIGKILL under librdkafka and Java in every codec with flush.messages=1, ` +
    "each acknowledged record exists once and in order; DumpLogSegments finds the codecs that topics ask for",
  needs: ["kafka", "java", "python"],
  async fn(context) {
    using directory = temporaryDirectory();
    const random = new Random(chooseSeed());
    const port = freePort();
    const dataDir = directory.path;
    let broker = await startBrokerProcess({ dataDir, port });
    await using running = new AsyncDisposableStack();
    running.defer(() => broker[Symbol.asyncDispose]());
    await createTopics(port);
    const progress = new Progress();
    for (const library of streamLibraries) {
      const own = streams.filter((stream) => stream.library === library);
      progress.programs.push(running.use(new StreamProgram(own, port, () => progress.changed())));
    }
    for (let round = 1; round <= ROUNDS; round++) {
      const more = random.below(4000);
      await context.step(
        `round ${round}: killed ${more} acknowledgements after all had one (seed ${random.seed})`,
        async () => {
          await progress.untilAllAnd(more);
          assert.equal((await broker.process.kill()).signal, "SIGKILL", "it was the kill that ended the round");
          const acknowledged = progress.acknowledged();
          broker = await startBrokerProcess({ dataDir, port });
          using _paused = progress.pause();
          await verifyAll(port, acknowledged);
        },
      );
    }
    await context.step("all producers end in order, and a loss would be noticed", async () => {
      await progress.untilAllAnd(0);
      for (const program of progress.programs) await program.finish();
      await verifyAll(port, progress.acknowledged());
      assertLossIsNoticed();
    });
    await context.step("DumpLogSegments finds no fault and the codecs of the topics", async () => {
      await broker.process.stop();
      await assertSegments(broker);
    });
  },
});

/** What all programs together have had acknowledged. */
class Progress {
  readonly programs: StreamProgram[] = [];
  #wake = Promise.withResolvers<void>();

  changed(): void {
    this.#wake.resolve();
  }

  /** Lets all programs stand still until disposal. */
  pause(): Disposable {
    using paused = new DisposableStack();
    for (const program of this.programs) paused.use(program.pause());
    return paused.move();
  }

  /** Acknowledged records by stream. */
  acknowledged(): Map<NumberedStream, number> {
    return new Map(
      this.programs.flatMap((program) => program.streams.map((stream, at) => [stream, program.acknowledged[at]!])),
    );
  }

  /** Waits until each stream has one more acknowledgement than now, and all together have `more` after that. */
  async untilAllAnd(more: number): Promise<void> {
    const before = this.acknowledged();
    await this.#until((now) => streams.every((stream) => now.get(stream)! > before.get(stream)!));
    const sum = sumOf(this.acknowledged());
    await this.#until((now) => sumOf(now) >= sum + more);
  }

  async #until(condition: (now: Map<NumberedStream, number>) => boolean): Promise<void> {
    while (!condition(this.acknowledged())) {
      for (const program of this.programs) assert(program.isFine, program.complaints.join("\n"));
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
    }
  }
}

function sumOf(acknowledged: ReadonlyMap<NumberedStream, number>): number {
  return acknowledged.values().reduce((sum, count) => sum + count, 0);
}

async function createTopics(port: number): Promise<void> {
  using client = await WireClient.connect(port);
  for (const { name, compressionType } of topics) {
    await client.createTopic(name, streams.filter(({ topic }) => topic === name).length, {
      "flush.messages": "1",
      "segment.bytes": String(SEGMENT_BYTES),
      "compression.type": compressionType,
    });
  }
}

async function verifyAll(port: number, acknowledged: ReadonlyMap<NumberedStream, number>): Promise<void> {
  const stored = await readStreams(streams, port);
  for (const [index, stream] of streams.entries()) verifyStream(stream, stored[index]!, acknowledged.get(stream)!);
}

/** Canary: a record that is missing, doubled, changed or at another offset fails the check. */
function assertLossIsNoticed(): void {
  const [stream] = streams as [NumberedStream];
  const run = { offset: 0, number: 0, count: 5 };
  verifyStream(stream, { runs: [run], wrong: [], end: 5 }, 5);
  assert.throws(() => verifyStream(stream, { runs: [run], wrong: [], end: 5 }, 6), /acknowledged/);
  assert.throws(() => verifyStream(stream, { runs: [run], wrong: [], end: 6 }, 5), /up to the high watermark/);
  assert.throws(() => verifyStream(stream, { runs: [run], wrong: [3], end: 5 }, 5), /has its value/);
  const again = { offset: 5, number: 4, count: 1 };
  assert.throws(() => verifyStream(stream, { runs: [run, again], wrong: [], end: 6 }, 5), /exists once/);
  const late = { offset: 1, number: 1, count: 4 };
  assert.throws(() => verifyStream(stream, { runs: [late], wrong: [], end: 4 }, 4), /begins with record 0/);
}

async function assertSegments({ dataDir }: BrokerProcess): Promise<void> {
  const verdict = await dumpLogSegments(dataDir);
  assert.deepEqual(verdict.complaints, []);
  const expected = streams.map(({ topic, partition, codec }) => {
    const { storedCodec } = topics.find(({ name }) => name === topic)!;
    return [`${topic}-${partition}`, [storedCodec(codec)]];
  });
  const found = expected.map(([partition]) => [partition, [...verdict.codecs.get(partition as string) ?? []]]);
  assert.deepEqual(found, expected);
}
