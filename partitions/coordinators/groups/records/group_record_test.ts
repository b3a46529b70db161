/**
 * Records of `__consumer_offsets` as Apache Kafka 4.3.1 wrote them (tests/golden/consumer_offsets): a segment with the traffic of
 * franz-go, Java and librdkafka members of both protocols, and old versions and rare fields written by Kafka's message classes. The
 * expected values come from Kafka's own JSON converters.
 */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { difference, elementsIn, type Struct } from "../../../../net/protocol/sample_values.ts";
import type { Message } from "../../../../net/protocol/schema.ts";
import { createRandom } from "../../../../storage/base/random.ts";
import { RecordRunReader } from "../../../../storage/mod.ts";
import { groupMetadataValue, offsetCommitValue } from "./classic_records.ts";
import * as consumer from "./consumer_records.ts";
import { decodeGroupRecord, encodeGroupRecord, type GroupRecord, unreadGroupRecord } from "./group_record.ts";

const golden = new URL("../../../../tests/golden/consumer_offsets/", import.meta.url);

interface Expected {
  readonly type: number;
  readonly key: Struct;
  readonly version?: number;
  readonly value: Struct | null;
}
interface Case extends Expected {
  readonly name: string;
  readonly keyBytes: Uint8Array;
  readonly valueBytes: Uint8Array | null;
}

const values: { readonly [type: number]: [kind: string, value: Message] } = {
  0: ["offset-commit", offsetCommitValue],
  1: ["offset-commit", offsetCommitValue],
  2: ["group-metadata", groupMetadataValue],
  3: ["consumer-group-metadata", consumer.consumerGroupMetadataValue],
  4: ["consumer-group-partition-metadata", consumer.consumerGroupPartitionMetadataValue],
  5: ["consumer-group-member-metadata", consumer.consumerGroupMemberMetadataValue],
  6: ["consumer-group-target-assignment-metadata", consumer.consumerGroupTargetAssignmentMetadataValue],
  7: ["consumer-group-target-assignment-member", consumer.consumerGroupTargetAssignmentMemberValue],
  8: ["consumer-group-current-member-assignment", consumer.consumerGroupCurrentMemberAssignmentValue],
  16: ["consumer-group-regular-expression", consumer.consumerGroupRegularExpressionValue],
};

function lines<Line>(name: string): Line[] {
  return Deno.readTextFileSync(new URL(name, golden)).trim().split("\n").map((line) => JSON.parse(line));
}

/** The records that Kafka wrote into its log. */
function storedCases(): Case[] {
  const bytes = Deno.readFileSync(new URL("00000000000000000000.log", golden));
  const reader = new RecordRunReader({ bytes, view: new DataView(bytes.buffer) }, 0, bytes.length);
  const cases = lines<Expected & { offset: number; timestamp: number }>("records.jsonl").map((expected) => {
    equal(reader.next(), true, reader.damage ?? "");
    deepEqual([reader.offset, reader.timestamp], [expected.offset, expected.timestamp]);
    const name = `record ${expected.offset} of type ${expected.type}`;
    return { ...expected, name, keyBytes: reader.key()!.slice(), valueBytes: reader.value()?.slice() ?? null };
  });
  equal(reader.next(), false);
  equal(reader.damage, null);
  equal(reader.position, bytes.length);
  return cases;
}

const stored = storedCases();
const fromMessageClasses = lines<Expected & { keyHex: string; valueHex: string }>("message_classes.jsonl").map((
  line,
) => ({
  ...line,
  name: `type ${line.type}, version ${line.version}`,
  keyBytes: Uint8Array.fromHex(line.keyHex),
  valueBytes: Uint8Array.fromHex(line.valueHex),
}));
const cases: readonly Case[] = [...stored, ...fromMessageClasses];

/** The expected value as `difference()` compares it: the hash has more digits than a JSON number. */
function withHash(value: Struct): Struct {
  return "metadataHash" in value ? { ...value, metadataHash: BigInt(value.metadataHash as string) } : value;
}

Deno.test("decodeGroupRecord() reads every golden record as Apache Kafka does", () => {
  const seen = new Set<string>();
  for (const { name, type, version, key, value, keyBytes, valueBytes } of cases) {
    const record = decodeGroupRecord(keyBytes, valueBytes);
    const [kind, declared] = values[type]!;
    equal(record?.kind, kind, name);
    deepEqual({ ...record!.key }, key, name);
    if (value === null) equal(record!.value, null, name);
    else equal(difference(declared.fields, record!.value as unknown as Struct, withHash(value)), null, name);
    seen.add(`${type} v${value === null ? "-" : version}`);
  }
  for (const [type, [, { versions }]] of Object.entries(values)) {
    for (let version = versions.min; version <= (type === "0" ? 0 : versions.max); version++) {
      equal(seen.has(`${type} v${version}`), true, `type ${type}, version ${version} was tried`);
    }
    if (type !== "0") equal(seen.has(`${type} v-`), true, `a tombstone of type ${type} was tried`);
  }
});

Deno.test("encodeGroupRecord() writes every record of the golden segment byte for byte", () => {
  for (const { name, keyBytes, valueBytes } of stored) {
    const { key, value } = encodeGroupRecord(decodeGroupRecord(keyBytes, valueBytes)!);
    equal(key.toHex(), keyBytes.toHex(), name);
    equal(value?.toHex() ?? null, valueBytes?.toHex() ?? null, name);
  }
});

Deno.test("encodeGroupRecord() writes rare fields as Kafka's message classes do, and old versions as current ones", () => {
  for (const { name, type, version, keyBytes, valueBytes } of fromMessageClasses) {
    const record = decodeGroupRecord(keyBytes, valueBytes)!;
    const { key, value } = encodeGroupRecord(record);
    if (type !== 0) equal(key.toHex(), keyBytes.toHex(), name);
    const written = new DataView(value!.buffer).getInt16(0);
    const hasExpiry = record.kind === "offset-commit" && record.value!.expireTimestamp >= 0;
    equal(written, type >= 3 ? 0 : type === 2 ? 3 : hasExpiry ? 1 : 4, name);
    if (written === version) equal(value!.toHex(), valueBytes!.toHex(), name);
    deepEqual(decodeGroupRecord(key, value), record, name);
  }
});

Deno.test("decodeGroupRecord() returns null for every cut of a key or value, and does not throw", () => {
  for (const { name, keyBytes, valueBytes } of cases) {
    for (let length = 0; length < keyBytes.length; length++) {
      equal(decodeGroupRecord(keyBytes.subarray(0, length), valueBytes), null, `${name}, key cut at ${length}`);
      equal(unreadGroupRecord(keyBytes.subarray(0, length), valueBytes), "damaged");
    }
    for (let length = 0; length < (valueBytes?.length ?? 0); length++) {
      equal(decodeGroupRecord(keyBytes, valueBytes!.subarray(0, length)), null, `${name}, value cut at ${length}`);
      equal(unreadGroupRecord(keyBytes, valueBytes!.subarray(0, length)), "damaged");
    }
  }
});

/** Decodes damaged bytes and encodes the result. Neither may throw or make more elements than there are bytes. */
function survives(key: Uint8Array, value: Uint8Array | null, name: string): void {
  const record = decodeGroupRecord(key, value);
  if (record === null) return;
  const budget = key.length + (value?.length ?? 0);
  equal(elementsIn(record) <= budget, true, `${name}: ${elementsIn(record)} elements out of ${budget} bytes`);
  encodeGroupRecord(record);
}

Deno.test("decodeGroupRecord() survives every flipped bit", () => {
  for (const { name, keyBytes, valueBytes } of cases) {
    for (const part of [keyBytes, valueBytes ?? new Uint8Array(0)]) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        part[bit >> 3]! ^= 1 << (bit & 7);
        survives(keyBytes, valueBytes, name);
        part[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
  }
});

Deno.test("decodeGroupRecord() trusts no length or count at any position", () => {
  for (const hex of ["7fffffff", "ffffffff", "00ffffff", "ffffffff0f", "ffffffff7f", "7fff"]) {
    const planted = Uint8Array.fromHex(hex);
    for (const { name, keyBytes, valueBytes } of cases) {
      for (let at = 2; at + planted.length <= (valueBytes?.length ?? 0); at++) {
        const value = valueBytes!.slice();
        value.set(planted, at);
        survives(keyBytes, value, `${name} with ${hex} at ${at}`);
      }
    }
  }
});

const seed = Number(Deno.env.get("BARNABAS_SEED") ?? Math.floor(Math.random() * 2 ** 32));

Deno.test(`decodeGroupRecord() survives random bytes (BARNABAS_SEED=${seed})`, () => {
  const random = createRandom(seed);
  const bytes = (first: number) =>
    Uint8Array.from(
      { length: 2 + Math.floor(random() * 60) },
      (_, at) => at < 2 ? [0, first][at]! : random() < 0.6 ? Math.floor(random() * 4) : Math.floor(random() * 256),
    );
  for (let index = 0; index < 20000; index++) {
    survives(bytes(Math.floor(random() * 18)), random() < 0.1 ? null : bytes(Math.floor(random() * 6)), `try ${index}`);
  }
});

Deno.test("decodeGroupRecord() returns null for types and versions of later Kafkas, and unreadGroupRecord() says so", () => {
  const { keyBytes, valueBytes } = stored.find(({ type, value }) => type === 1 && value !== null)!;
  const withFirst = (bytes: Uint8Array, first: number): Uint8Array => {
    const changed = bytes.slice();
    new DataView(changed.buffer).setInt16(0, first);
    return changed;
  };
  for (const type of [9, 10, 15, 17, 32767]) {
    equal(decodeGroupRecord(withFirst(keyBytes, type), valueBytes), null);
    equal(unreadGroupRecord(withFirst(keyBytes, type), valueBytes), "later-type");
  }
  for (const version of [5, 32767]) {
    equal(decodeGroupRecord(keyBytes, withFirst(valueBytes!, version)), null);
    equal(unreadGroupRecord(keyBytes, withFirst(valueBytes!, version)), "later-version");
  }
  for (const negative of [-1, -32768]) {
    equal(unreadGroupRecord(withFirst(keyBytes, negative), valueBytes), "damaged");
    equal(unreadGroupRecord(keyBytes, withFirst(valueBytes!, negative)), "damaged");
  }
  equal(decodeGroupRecord(null, valueBytes), null);
  equal(unreadGroupRecord(null, valueBytes), "damaged");
});

Deno.test("decodeGroupRecord() returns no view of its input bytes", () => {
  const { keyBytes, valueBytes } = fromMessageClasses.find(({ type }) => type === 2)!;
  const [key, value] = [keyBytes.slice(), valueBytes.slice()];
  const record = decodeGroupRecord(key, value);
  const before = structuredClone(record);
  key.fill(0xee);
  value.fill(0xee);
  deepEqual(structuredClone(record), before);
  const { members } = (record as GroupRecord & { kind: "group-metadata" }).value!;
  notEqual(members[0]!.subscription.buffer, value.buffer);
});
