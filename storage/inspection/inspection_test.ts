/** Tests of the commands that read files without a broker: every kind of file, and every kind of damage. */
import { strict as assert } from "node:assert";
import { append, openLog, recordsOf, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { buildBatch, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { writeCleanShutdown } from "../directory/clean_shutdown.ts";
import { lockDirectory, unlockDirectory } from "../directory/directory_lock.ts";
import { writeMetaProperties } from "../directory/meta_properties.ts";
import { encodeOffsetCheckpoint, RECOVERY_POINTS_FILE } from "../directory/offset_checkpoint.ts";
import { encodeProducerSnapshot } from "../log/producers/producer_snapshot_format.ts";
import { toOffset } from "../base/units.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import { dump, verify } from "./commands.ts";

const FIRST = "00000000000000000000";

/** Output of a command. */
class Output {
  out = "";
  error = "";
  /** Each look at the clock takes this long. */
  readonly #stepMs: number;
  #nowMs = 0;

  constructor(stepMs = 0) {
    this.#stepMs = stepMs;
  }

  write(text: string): void {
    this.out += text;
  }

  explain(line: string): void {
    this.error += `${line}\n`;
  }

  now(): number {
    return this.#nowMs += this.#stepMs;
  }
}

/** A log directory with one partition of three segments, stopped cleanly. */
class LogDirectory implements Disposable {
  readonly #directory = new TestDirectory();
  readonly path = this.#directory.path;
  readonly partition = this.#directory.partition;

  constructor() {
    const config = { ...testConfig, segmentBytes: 5_000, indexIntervalBytes: 500 };
    using log = openLog(this.partition, { config, topicId: "AAAAAAAAAAAAAAAAAAAAQQ" });
    for (let i = 0; i < 60; i++) {
      append(log, recordsOf(2, 80, TEST_TIMESTAMP + i), { producerId: 7, producerEpoch: 0, baseSequence: 2 * i });
    }
    assert.equal(log.segments().length, 3);
    assert.equal(log.close({ clean: true }), true);
    writeMetaProperties(linuxFileSystem, this.path, { clusterId: "c", nodeId: 1, directoryId: null });
    writeCleanShutdown(linuxFileSystem, this.path, -1);
  }

  /** Paths of the files of a kind, by offset. */
  files(kind: string): string[] {
    const names = [...Deno.readDirSync(this.partition)].map(({ name }) => name);
    return names.filter((name) => name.endsWith(kind)).toSorted().map((name) => `${this.partition}/${name}`);
  }

  /** Changes the bytes of a file. */
  change(path: string, edit: (bytes: Uint8Array) => Uint8Array | void): void {
    const bytes = Deno.readFileSync(path);
    Deno.writeFileSync(path, edit(bytes) ?? bytes);
  }

  verify(): { code: number; out: string; error: string } {
    const output = new Output();
    return { code: verify(this.path, output), out: output.out, error: output.error };
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

function dumped(path: string): { code: number; out: string[]; error: string } {
  const output = new Output();
  const code = dump(path, output);
  return { code, out: output.out.split("\n").slice(0, -1), error: output.error };
}

Deno.test("dump shows batches and records of a log, up to its last whole batch", () => {
  using directory = new TestDirectory();
  const path = `${directory.path}/${FIRST}.log`;
  const plain = buildBatch([
    { key: "k", value: "text ü", headers: [["trace", "7f"], ["none", null]] },
    { key: null, value: new Uint8Array([1, 255]) },
    { key: "", value: null, timestamp: TEST_TIMESTAMP + 5 },
  ]);
  const packed = buildBatch([{ value: "ü".repeat(200) }], {
    codec: "zstd",
    baseOffset: 3,
    partitionLeaderEpoch: 4,
    ...{ producerId: 9, producerEpoch: 1, baseSequence: 12, transactional: true },
  });
  const marker = buildBatch([{ key: new Uint8Array([0, 0, 0, 1]), value: new Uint8Array([0, 0, 0, 0, 0, 8]) }], {
    ...{ baseOffset: 4, control: true, transactional: true, producerId: 9, producerEpoch: 1 },
  });
  Deno.writeFileSync(path, new Uint8Array([...plain, ...packed, ...marker, ...plain.subarray(0, 100)]));
  const { code, out, error } = dumped(path);
  const at = "2023-11-14T22:13:20.000Z";
  assert.deepEqual(out, [
    `batch 0..2  position 0  ${plain.length} bytes  3 records  not compressed  CreateTime 2023-11-14T22:13:20.005Z  leader epoch -1`,
    `  0  ${at}  key "k"  value "text ü"  headers {"trace": "7f", "none": null}`,
    `  1  ${at}  key null  value 0x01ff`,
    `  2  2023-11-14T22:13:20.005Z  key ""  value null`,
    `batch 3..3  position ${plain.length}  ${packed.length} bytes  1 record  zstd  CreateTime ${at}  leader epoch 4  ` +
    "producer 9 (epoch 1, sequence 12)  transactional",
    `  3  ${at}  key null  value "${"ü".repeat(128)}"… (400 bytes)`,
    `batch 4..4  position ${plain.length + packed.length}  ${marker.length} bytes  1 record  not compressed  ` +
    `CreateTime ${at}  leader epoch -1  producer 9 (epoch 1, sequence -1)  transactional  control`,
    "  4  commit marker, coordinator epoch 8",
  ]);
  assert.equal(code, 1);
  const whole = plain.length + packed.length + marker.length;
  assert(
    error.includes(
      `after ${whole} of ${whole + 100} bytes: the batch has ${plain.length} bytes, of which the file has 100`,
    ),
  );
});

Deno.test("dump shows indexes, snapshots and aborted transactions, and stops before what is allocated ahead", () => {
  using directory = new LogDirectory();
  const [index = ""] = directory.files(".index");
  assert.match(dumped(index).out[0]!, /^offset \d+ {2}position \d+$/);
  assert.equal(dumped(index).out.length, Deno.statSync(index).size / 8);
  const [times = ""] = directory.files(".timeindex");
  assert.match(dumped(times).out[0]!, /^timestamp 2023-11-14T22:13:20\.\d{3}Z {2}offset \d+$/);
  const live = `${directory.path}/${FIRST}.timeindex`;
  Deno.writeFileSync(live, new Uint8Array(4096));
  assert.deepEqual(dumped(live).out, []);
  const snapshot = directory.files(".snapshot").at(-1) ?? "";
  assert.match(dumped(snapshot).out.join(), /^producer 7 {2}epoch 0 {2}last sequence 119 {2}last offset 119 {2}2023-/);
  const aborted = new DataView(new ArrayBuffer(34));
  for (const [at, value] of [[2, 5], [10, 20], [18, 30], [26, 31]] as const) aborted.setBigInt64(at, BigInt(value));
  const path = `${directory.path}/${FIRST}.txnindex`;
  Deno.writeFileSync(path, new Uint8Array(aborted.buffer));
  assert.deepEqual(dumped(path).out, ["aborted 20..30  producer 5  last stable offset 31"]);
});

Deno.test("dump refuses in a sentence what it cannot show", () => {
  using directory = new LogDirectory();
  const cases = [
    [`${directory.path}/meta.properties`, /meta\.properties is not a file that can be shown: .*Checkpoints are text/],
    [`${directory.path}/${FIRST}.log`, /Cannot read .*no such file/],
    [`${directory.path}/${FIRST}.index`, /Cannot read .*there is no such file/],
  ] as const;
  for (const [path, message] of cases) {
    const { code, out, error } = dumped(path);
    assert.deepEqual([code, out], [1, []]);
    assert.match(error, message);
  }
  const snapshot = directory.files(".snapshot")[0] ?? "";
  directory.change(snapshot, (bytes) => void bytes[20]!++);
  assert.match(dumped(snapshot).error, /is damaged: its version, length or CRC-32C is wrong/);
});

Deno.test("verify finds nothing in a directory that was stopped cleanly, and says what it read", () => {
  using directory = new LogDirectory();
  const { code, out, error } = directory.verify();
  assert.match(out, /^1 partitions, 3 segments, 60 batches, 120 records, \d+\.\d KB: no damage\n$/);
  assert.deepEqual([code, error], [0, ""]);
});

Deno.test("verify shows its progress about every second", () => {
  using directory = new LogDirectory();
  const output = new Output(600);
  assert.equal(verify(directory.path, output), 0);
  assert.match(output.error, /^verify: \d+ %, 0 of 1 partitions, \d+\.\d KB of \d+\.\d KB$/m);
});

Deno.test("verify refuses a directory that a broker uses, and one that is not there", () => {
  using directory = new LogDirectory();
  const lock = lockDirectory(linuxFileSystem, directory.path);
  assert(lock !== null);
  assert.deepEqual([directory.verify().code, directory.verify().out], [1, ""]);
  assert.match(directory.verify().error, /is used by a broker: stop it first/);
  unlockDirectory(lock);
  assert.equal(directory.verify().code, 0);
  const output = new Output();
  assert.equal(verify(`${directory.path}/nowhere`, output), 1);
  assert.match(output.error, /There is no directory/);
});

/** What is done to a directory, and the lines that verify prints about it. */
const damages: readonly { name: string; plant: (directory: LogDirectory) => void; found: RegExp }[] = [
  {
    name: "a changed byte of a batch",
    plant: (directory) => directory.change(directory.files(".log")[0]!, (bytes) => void bytes[700]!++),
    found:
      /^damage: .*0\.log: after offset \d+, at position \d+ of \d+: the batch's CRC-32C is [0-9a-f]{8}, its header says \w+\n.* 59 batches, .*: 1 damage\n$/,
  },
  {
    name: "a file that ends in a batch",
    plant: (directory) => directory.change(directory.files(".log")[1]!, (bytes) => bytes.slice(0, -10)),
    found: /^damage: .*\.log: .*: the batch has \d+ bytes, of which the file has \d+/,
  },
  {
    name: "a segment that is shorter than the next one begins, in an index",
    plant: (directory) => directory.change(directory.files(".index")[0]!, (bytes) => void bytes[3]!++),
    found: /^damage: .*0\.index: entry 0 says offset \d+ for position \d+, the batch ends at \d+/,
  },
  {
    name: "an index that names a place inside a batch",
    plant: (directory) => directory.change(directory.files(".index")[0]!, (bytes) => void bytes[7]!++),
    found: /^damage: .*0\.index: entry 0 names position \d+, where no batch begins/,
  },
  {
    name: "an index with a part of an entry",
    plant: (directory) => directory.change(directory.files(".index")[0]!, (bytes) => bytes.slice(0, -3)),
    found: /^damage: .*0\.index: its size is not one of whole entries/,
  },
  {
    name: "a time index whose last entry is lost",
    plant: (directory) => directory.change(directory.files(".timeindex")[1]!, (bytes) => bytes.slice(0, -12)),
    found: /^damage: .*\.timeindex: it ends with timestamp \d+, but the segment's largest is \d+/,
  },
  {
    name: "a time index with another time",
    plant: (directory) => directory.change(directory.files(".timeindex")[1]!, (bytes) => void bytes[7]!--),
    found: /^damage: .*\.timeindex: entry 0 says timestamp \d+ for offset \d+, the batch has \d+/,
  },
  {
    name: "a missing index",
    plant: (directory) => Deno.removeSync(directory.files(".index")[0]!),
    found: /^note: .*0\.index: it is missing/,
  },
  {
    name: "an index that was allocated ahead when its broker was killed",
    plant: (directory) =>
      directory.change(directory.files(".index")[2]!, (bytes) => new Uint8Array([...bytes, ...Array(80).fill(0)])),
    found: /^note: .*\.index: its segment was not closed/,
  },
  {
    name: "a closed segment's index that ends in zeros",
    plant: (directory) =>
      directory.change(directory.files(".index")[1]!, (bytes) => new Uint8Array([...bytes, ...Array(8).fill(0)])),
    found: /^damage: .*\.index: entry \d+ names position 0, where no batch begins/,
  },
  {
    name: "a damaged snapshot",
    plant: (directory) => directory.change(directory.files(".snapshot")[0]!, (bytes) => void bytes[8]!++),
    found: /^damage: .*\.snapshot: it is damaged/,
  },
  {
    name: "damaged leader epochs",
    plant: (directory) => Deno.writeTextFileSync(`${directory.partition}/leader-epoch-checkpoint`, "0\n1\n0 x\n"),
    found: /^damage: .*leader-epoch-checkpoint: it is damaged/,
  },
  {
    name: "another topic's metadata",
    plant: (directory) =>
      Deno.writeTextFileSync(`${directory.partition}/partition.metadata`, "version: 0\ntopic_id: ?"),
    found: /^damage: .*partition\.metadata: .*holds no topic id/,
  },
  {
    name: "damaged checkpoints",
    plant: (directory) => Deno.writeTextFileSync(`${directory.path}/log-start-offset-checkpoint`, "0\n2\ntopic 0 1\n"),
    found: /^damage: .*log-start-offset-checkpoint: it has 1 entries, but says 2/,
  },
  {
    name: "damaged meta.properties",
    plant: (directory) => Deno.writeTextFileSync(`${directory.path}/meta.properties`, "version=7\n"),
    found: /^damage: .*meta\.properties: its version is 7/,
  },
  {
    name: "a file that waits for its removal",
    plant: (directory) => Deno.writeTextFileSync(`${directory.partition}/${FIRST}.log.deleted`, ""),
    found: /^note: .*0\.log\.deleted: the next start removes it/,
  },
  {
    name: "a compaction that was not finished",
    plant: (directory) => Deno.writeTextFileSync(`${directory.partition}/${FIRST}.log.swap`, ""),
    found: /^note: .*0\.log\.swap: a compaction was not finished/,
  },
  {
    name: "a segment that overlaps the one before",
    plant: (directory) =>
      Deno.writeFileSync(
        `${directory.partition}/00000000000000000003.log`,
        buildBatch([{ value: "x" }], { baseOffset: 3 }),
      ),
    found: /^damage: .*03\.log: it begins below offset \d+, where the segment before ends/,
  },
  {
    name: "records that say more than they have",
    plant: (directory) => {
      const batch = buildBatch([{ value: "x" }], { baseOffset: 120, recordsCount: 2, lastOffsetDelta: 1 });
      directory.change(directory.files(".log")[2]!, (bytes) => new Uint8Array([...bytes, ...batch]));
    },
    found: /^damage: .*\.log: .*the records of the batch at offset 120 do not fit it/,
  },
];

for (const { name, plant, found } of damages) {
  Deno.test(`verify finds ${name}`, () => {
    using directory = new LogDirectory();
    plant(directory);
    const { code, out } = directory.verify();
    assert.match(out, found);
    assert.equal(code, found.source.startsWith("^damage") ? 1 : 0);
    assert(out.split("\n").length <= 5, `few lines about one damage: ${out}`);
  });
}

Deno.test("verify takes what was not flushed before a crash for a tail that a start cuts off, and misses what was", () => {
  using directory = new LogDirectory();
  Deno.removeSync(`${directory.path}/.kafka_cleanshutdown`);
  const last = directory.files(".log")[2]!;
  directory.change(last, (bytes) => bytes.slice(0, -10));
  const recoveryPoint = (offset: number) => {
    const text = encodeOffsetCheckpoint([{ topic: "topic", partition: 0, offset }]);
    Deno.writeTextFileSync(`${directory.path}/${RECOVERY_POINTS_FILE}`, text);
  };
  recoveryPoint(100);
  const torn = directory.verify();
  assert.match(torn.out, /^note: .*\.log: after offset 117, .*It was not flushed, and the next start cuts it off\n/);
  assert.equal(torn.code, 0);
  recoveryPoint(120);
  const lost = directory.verify();
  assert.match(
    lost.out,
    /^damage: .*\.log: after offset 117, .*\ndamage: .*topic-0: it ends at offset 118, but .* below offset 120/,
  );
  assert.equal(lost.code, 1);
});

Deno.test("verify reads a batch that is larger than its memory, and batches that compaction left", () => {
  using directory = new TestDirectory();
  Deno.mkdirSync(directory.partition);
  const large = buildBatch([{ value: new Uint8Array(9_000_000) }], { baseOffset: 0 });
  const emptied = buildBatch([], { baseOffset: 1, lastOffsetDelta: 5, recordsCount: 0, baseTimestamp: -1 });
  const gaps = buildBatch([{ key: "a", value: "b", offsetDelta: 2 }, { key: "c", value: "d", offsetDelta: 7 }], {
    ...{ baseOffset: 10, lastOffsetDelta: 9 },
  });
  Deno.writeFileSync(`${directory.partition}/${FIRST}.log`, new Uint8Array([...large, ...emptied, ...gaps]));
  const output = new Output();
  assert.equal(verify(directory.path, output), 0);
  assert.match(output.out, /1 partitions, 1 segments, 3 batches, 3 records, 9\.0 MB: no damage/);
});

Deno.test("a snapshot of the format is shown with its open transaction", () => {
  using directory = new TestDirectory();
  const path = `${directory.path}/${FIRST}.snapshot`;
  const entry = { producerId: 3, producerEpoch: 2, lastSequence: 1, lastOffset: toOffset(9), offsetDelta: 1 };
  const bytes = encodeProducerSnapshot([{ ...entry, timestamp: -1, coordinatorEpoch: 0, currentTxnFirstOffset: 8 }]);
  Deno.writeFileSync(path, bytes);
  assert.deepEqual(dumped(path).out, [
    "producer 3  epoch 2  last sequence 1  last offset 9  none  transaction open since 8",
  ]);
});
