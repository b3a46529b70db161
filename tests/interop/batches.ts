/**
 * Batches for the comparison with Apache Kafka, good and bad, from a seed: every codec, several kinds of damage, and the topic configs
 * that decide about a batch. Main isolate of a test.
 */
import { compressSync } from "npm:snappy@7.4.3";
import { compress } from "../../storage/records/compression/compression.ts";
import { xxh32 } from "../../storage/records/compression/xxh32.ts";
import { codecNames } from "../../storage/records/record_batch.ts";
import {
  type BatchOptions,
  buildBatch,
  buildRecord,
  concatBytes,
  sealBatch,
  TEST_TIMESTAMP,
  type TestRecord,
} from "../record_batch_builder.ts";
import { Random } from "./random.ts";

/** A batch that is produced to a topic of its own. */
export interface ProducedBatch {
  /** What is special about it. */
  readonly name: string;
  /** Version of Produce. */
  readonly version: number;
  readonly nowMs: number;
  /** Configs of the topic. */
  readonly configs: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const HOUR_MS = 3_600_000;

function randomRecord(random: Random): TestRecord {
  const beside = random.pick([0, 0, 0, 0, 1, -5, 900, HOUR_MS, HOUR_MS + 1, -HOUR_MS - 1, -TEST_TIMESTAMP - 1]);
  return {
    key: random.oneIn(4) ? null : "k".repeat(random.below(20)),
    value: random.oneIn(6) ? null : random.pick([
      "",
      "x",
      "text ".repeat(random.below(200)),
      new Uint8Array(random.below(300)).fill(random.below(256)),
    ]),
    timestamp: TEST_TIMESTAMP + beside,
    headers: random.oneIn(3) ? [["h", random.pick([null, "", "v"])], ["", "w"]] : [],
  };
}

/** What a client may do to a batch's records or header; most leave it correct. */
type Change = (batch: Draft, random: Random) => void;

/** A batch before it is written. */
interface Draft {
  records: TestRecord[];
  options: BatchOptions;
  version: number;
  /** Changes the records, not compressed yet. */
  content: (plain: Uint8Array) => Uint8Array;
  /** Changes the compressed records. */
  packed: (packed: Uint8Array) => Uint8Array;
  /** Changes the whole batch; its CRC is wrong then unless the change corrects it. */
  whole: (batch: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}

const flipped = (bytes: Uint8Array, random: Random) => {
  const copy = bytes.slice();
  if (copy.length > 0) copy[random.below(copy.length)]! ^= 1 << random.below(8);
  return copy;
};

/** An LZ4 frame whose header is changed, with or without the right checksum. */
function lz4Header(packed: Uint8Array, flag: number, isChecksumRight: boolean): Uint8Array {
  const copy = packed.slice();
  copy[4]! ^= flag;
  copy[6] = ((xxh32(copy, 4, 6) >>> 8) & 0xff) ^ (isChecksumRight ? 0 : 1);
  return copy;
}

const changes: Record<string, Change> = {
  "nothing": () => {},
  "no timestamps": (draft) => draft.records.forEach((record) => record.timestamp = -1),
  "a count that is too large": ({ records, options }) => {
    options.recordsCount = records.length + 1;
    options.lastOffsetDelta = records.length;
  },
  "a count that is too small": ({ records, options }) => {
    records.push({ key: "k", value: "v", timestamp: TEST_TIMESTAMP });
    options.recordsCount = records.length - 1;
    options.lastOffsetDelta = records.length - 2;
  },
  "a count that differs from the offsets": ({ records, options }) => options.lastOffsetDelta = records.length,
  "no records": ({ options }) => Object.assign(options, { recordsCount: 0, lastOffsetDelta: -1 }),
  // Kafka stores those of uncompressed batches as they are.
  "gaps of offsets": ({ records, options }, random) => {
    if (options.codec === "none" || options.codec === undefined) return;
    records.forEach((record, index) => record.offsetDelta = index * (1 + random.below(3)));
    options.lastOffsetDelta = records.length - 1;
  },
  "a largest timestamp of -1": ({ options }) => options.maxTimestamp = -1,
  "a largest timestamp of now": ({ options }) => options.maxTimestamp = TEST_TIMESTAMP,
  "bytes after the records": (draft, random) =>
    draft.content = (plain) => concatBytes([plain, new Uint8Array(1 + random.below(9))]),
  "a damaged record": (draft, random) => draft.content = (plain) => flipped(plain, random),
  "a cut record": (draft, random) => draft.content = (plain) => plain.slice(0, random.below(plain.length)),
  "a header without a key": (draft) =>
    draft.content = () => {
      const record = buildRecord({ key: "k", value: "v", headers: [["a", "b"]] }, { offsetDelta: 0, baseTimestamp: 0 });
      record[record.length - 4] = 1; // the key's length: -1
      return record;
    },
  "damaged compressed bytes": (draft, random) => draft.packed = (packed) => flipped(packed, random),
  "cut compressed bytes": (draft, random) => draft.packed = (packed) => packed.slice(0, random.below(packed.length)),
  "no compressed bytes": (draft) => draft.packed = () => new Uint8Array(0),
  "a bare snappy block": (draft) => {
    draft.options.codec = "snappy";
    draft.packed = () => new Uint8Array(0);
  },
  "lz4 with linked blocks": (draft) => {
    draft.options.codec = "lz4";
    draft.packed = (packed) => lz4Header(packed, 0x20, true);
  },
  "lz4 with a wrong header checksum": (draft) => {
    draft.options.codec = "lz4";
    draft.packed = (packed) => lz4Header(packed, 0, false);
  },
  "lz4 of another version": (draft) => {
    draft.options.codec = "lz4";
    draft.packed = (packed) => lz4Header(packed, 0xc0, true);
  },
  "zstd in an old version": (draft) => {
    draft.options.codec = "zstd";
    draft.version = 6;
  },
  "a wrong CRC": (draft) => draft.whole = (batch) => (batch[17]! ^= 1, batch),
  "a base offset": ({ options }, random) => options.baseOffset = random.pick([1, 7, -1]),
  "a control batch": ({ options }) => options.control = true,
  "the type LogAppendTime": ({ options }) => options.logAppendTime = true,
  "another format": ({ options }, random) => options.magic = random.pick([0, 1, 3]),
  "an unknown codec": ({ options }, random) => options.attributes = random.pick([5, 6, 7]),
  "a producer": ({ options }, random) =>
    Object.assign(options, { producerId: 9, producerEpoch: 0, baseSequence: random.oneIn(2) ? 0 : -1 }),
  "a leader epoch": ({ options }) => options.partitionLeaderEpoch = 12,
};

function build(draft: Draft, isBareSnappy: boolean): Uint8Array<ArrayBuffer> {
  const { records, options } = draft;
  const baseTimestamp = records[0]?.timestamp ?? TEST_TIMESTAMP;
  const plain = draft.content(concatBytes(
    records.map((record, index) => buildRecord(record, { offsetDelta: index, baseTimestamp })),
  ));
  const codec = codecNames.indexOf(options.codec ?? "none");
  const rawRecords = isBareSnappy
    ? compressSync(plain as unknown as Parameters<typeof compressSync>[0]) as Uint8Array
    : draft.packed(compress(codec, plain));
  return draft.whole(sealBatch(buildBatch(records, { ...options, rawRecords })));
}

function configsOf(random: Random): Record<string, string> {
  const configs: Record<string, string> = {};
  if (random.oneIn(3)) configs["cleanup.policy"] = random.pick(["compact", "compact,delete"]);
  if (random.oneIn(3)) configs["message.timestamp.type"] = "LogAppendTime";
  if (random.oneIn(3)) configs["message.timestamp.before.max.ms"] = `${HOUR_MS}`;
  if (random.oneIn(2)) {
    configs["compression.type"] = random.pick(["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]);
  }
  if (random.oneIn(6)) configs["max.message.bytes"] = `${random.below(300)}`;
  return configs;
}

/** The batch of a seed. */
export function batchOfSeed(seed: number): ProducedBatch {
  const random = new Random(seed);
  const name = random.pick(random.oneIn(3) ? ["nothing"] : Object.keys(changes));
  const draft: Draft = {
    records: Array.from({ length: 1 + random.below(6) }, () => randomRecord(random)),
    options: { codec: random.pick(codecNames) },
    version: random.pick([3, 7, 9, 13]),
    content: (plain) => plain,
    packed: (packed) => packed,
    whole: (batch) => batch,
  };
  if (draft.options.codec === "zstd") draft.version = Math.max(draft.version, 7);
  changes[name]!(draft, random);
  const bytes = build(draft, name === "a bare snappy block");
  return { name, version: draft.version, nowMs: TEST_TIMESTAMP, configs: configsOf(random), bytes };
}
