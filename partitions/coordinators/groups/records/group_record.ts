/**
 * Records of `__consumer_offsets`, the log of the group coordinator, in Kafka's own format. Kafka's tools read the records written here,
 * and records that an older or newer Kafka wrote can be read. Any isolate.
 *
 *    key    int16 type · body, never flexible
 *    value  int16 version · body of that version; no value: the state under the key is deleted
 *
 * What must always hold: no bytes of a disk make `decodeGroupRecord()` throw or allocate more than a small multiple of their length. Its
 * result does not point into the caller's memory.
 *
 * Source: Kafka 4.3 CoordinatorRecordSerde, CoordinatorRecordType, GroupCoordinatorRecordHelpers (the versions written), *Key.json.
 */
import { Reader } from "../../../../net/protocol/reader.ts";
import { field, includes, type Infer, int32, type Message, message, string } from "../../../../net/protocol/schema.ts";
import { Writer } from "../../../../net/protocol/writer.ts";
import {
  type GroupMetadataValue,
  groupMetadataValue,
  type OffsetCommitValue,
  offsetCommitValue,
} from "./classic_records.ts";
import type { RecordBytes, RecordCodec } from "../../runtime/record_codec.ts";
import * as consumer from "./consumer_records.ts";

export type { GroupMetadataMember, GroupMetadataValue, OffsetCommitValue } from "./classic_records.ts";
export type {
  ClassicMemberMetadata,
  ConsumerGroupCurrentMemberAssignmentValue,
  ConsumerGroupMemberMetadataValue,
  ConsumerGroupMetadataValue,
  ConsumerGroupPartitionMetadataValue,
  ConsumerGroupRegularExpressionValue,
  ConsumerGroupTargetAssignmentMemberValue,
  ConsumerGroupTargetAssignmentMetadataValue,
  CurrentTopicPartitions,
  TargetTopicPartitions,
} from "./consumer_records.ts";

const groupKeyFields = { groupId: field(string, "0+") };
const memberKeyFields = { ...groupKeyFields, memberId: field(string, "0+") };
const offsetCommitKey = keyOf(1, {
  group: field(string, "0+"),
  topic: field(string, "0+"),
  partition: field(int32, "0+"),
});
const groupMetadataKey = keyOf(2, { group: field(string, "0+") });
const regularExpressionKey = keyOf(16, { ...groupKeyFields, regularExpression: field(string, "0+") });

/** Key of a committed offset. */
export type OffsetCommitKey = Infer<typeof offsetCommitKey>;
/** Key of a classic group. */
export type GroupMetadataKey = Infer<typeof groupMetadataKey>;
/** Key of records that a consumer group has once. */
export interface ConsumerGroupKey {
  readonly groupId: string;
}
/** Key of records that a consumer group has per member. */
export interface ConsumerGroupMemberKey extends ConsumerGroupKey {
  readonly memberId: string;
}
/** Key of a regular expression of a consumer group. */
export interface ConsumerGroupRegularExpressionKey extends ConsumerGroupKey {
  readonly regularExpression: string;
}

interface RecordOf<Kind extends string, Key, Value> {
  readonly kind: Kind;
  readonly key: Key;
  /** null: the state under the key is deleted. */
  readonly value: Value | null;
}

/** A committed offset. */
export type OffsetCommitRecord = RecordOf<"offset-commit", OffsetCommitKey, OffsetCommitValue>;
/** A classic group. */
export type GroupMetadataRecord = RecordOf<"group-metadata", GroupMetadataKey, GroupMetadataValue>;
/** A record of a consumer group. */
export type ConsumerGroupRecord =
  | RecordOf<"consumer-group-metadata", ConsumerGroupKey, consumer.ConsumerGroupMetadataValue>
  | RecordOf<"consumer-group-partition-metadata", ConsumerGroupKey, consumer.ConsumerGroupPartitionMetadataValue>
  | RecordOf<"consumer-group-member-metadata", ConsumerGroupMemberKey, consumer.ConsumerGroupMemberMetadataValue>
  | RecordOf<
    "consumer-group-target-assignment-metadata",
    ConsumerGroupKey,
    consumer.ConsumerGroupTargetAssignmentMetadataValue
  >
  | RecordOf<
    "consumer-group-target-assignment-member",
    ConsumerGroupMemberKey,
    consumer.ConsumerGroupTargetAssignmentMemberValue
  >
  | RecordOf<
    "consumer-group-current-member-assignment",
    ConsumerGroupMemberKey,
    consumer.ConsumerGroupCurrentMemberAssignmentValue
  >
  | RecordOf<
    "consumer-group-regular-expression",
    ConsumerGroupRegularExpressionKey,
    consumer.ConsumerGroupRegularExpressionValue
  >;
/** One change of the coordinator's state. */
export type GroupRecord = OffsetCommitRecord | GroupMetadataRecord | ConsumerGroupRecord;
/** The kind of a record. */
export type GroupRecordKind = GroupRecord["kind"];

/** Why a record cannot be read: its type or its value's version is of a later Kafka, or its bytes are damaged. */
export type UnreadGroupRecord = "later-type" | "later-version" | "damaged";

/** Largest key or value that is written, in bytes; far above the `message.max.bytes` of brokers. */
export const GROUP_RECORD_BYTES_MAX = 1 << 26;

/** A key or a value takes more than `GROUP_RECORD_BYTES_MAX`: members' metadata can add up to that. */
export class GroupRecordTooLargeError extends Error {
  override name = "GroupRecordTooLargeError";
}

interface Row {
  readonly kind: GroupRecordKind;
  readonly key: Message;
  readonly value: Message;
  /** Version in which Kafka 4.3 writes the value. */
  readonly written: number;
}

const rows: readonly Row[] = [
  { kind: "offset-commit", key: offsetCommitKey, value: offsetCommitValue, written: 4 },
  { kind: "group-metadata", key: groupMetadataKey, value: groupMetadataValue, written: 3 },
  row("consumer-group-metadata", keyOf(3, groupKeyFields), consumer.consumerGroupMetadataValue),
  row("consumer-group-partition-metadata", keyOf(4, groupKeyFields), consumer.consumerGroupPartitionMetadataValue),
  row("consumer-group-member-metadata", keyOf(5, memberKeyFields), consumer.consumerGroupMemberMetadataValue),
  row(
    "consumer-group-target-assignment-metadata",
    keyOf(6, groupKeyFields),
    consumer.consumerGroupTargetAssignmentMetadataValue,
  ),
  row(
    "consumer-group-target-assignment-member",
    keyOf(7, memberKeyFields),
    consumer.consumerGroupTargetAssignmentMemberValue,
  ),
  row(
    "consumer-group-current-member-assignment",
    keyOf(8, memberKeyFields),
    consumer.consumerGroupCurrentMemberAssignmentValue,
  ),
  row("consumer-group-regular-expression", regularExpressionKey, consumer.consumerGroupRegularExpressionValue),
];

/** Type of offsets before Kafka 0.9. Key and value have the layout of type 1. */
const LEGACY_OFFSET_COMMIT = 0;
/** Version for offsets with an expiry time from the client, as Kafka has always written them. */
const WITH_EXPIRE_TIMESTAMP = 1;
const NO_EXPIRE_TIMESTAMP = -1;

const byType: (Row | undefined)[] = [];
const byKind = new Map<GroupRecordKind, Row>();
for (const known of rows) {
  byType[known.key.apiKey] = known;
  byKind.set(known.kind, known);
}
byType[LEGACY_OFFSET_COMMIT] = byKind.get("offset-commit");

/** Large enough for most keys and values. */
const WRITER_BYTES = 1024;
/** Shared by all calls, one after the other. The result is copied out. */
const writer = new Writer(WRITER_BYTES, allocate);

/**
 * Encodes a record as Kafka 4.3 writes it.
 * @throws GroupRecordTooLargeError when the key or the value takes more than `GROUP_RECORD_BYTES_MAX`
 */
export function encodeGroupRecord(record: GroupRecord): RecordBytes {
  const { key, value, written } = byKind.get(record.kind)!;
  writer.reset();
  writer.int16(key.apiKey);
  key.encode(writer, 0, record.key);
  const keyBytes = writer.bytes.slice(0, writer.position);
  if (record.value === null) return { key: keyBytes, value: null };
  writer.reset();
  const version = record.kind === "offset-commit" && record.value.expireTimestamp !== NO_EXPIRE_TIMESTAMP
    ? WITH_EXPIRE_TIMESTAMP
    : written;
  writer.int16(version);
  value.encode(writer, version, record.value);
  return { key: keyBytes, value: writer.bytes.slice(0, writer.position) };
}

/**
 * Reads a record.
 * @param key its key, null for none @param value its value, null for none; the caller may reuse the memory of both
 * @returns null when it is of a later Kafka or damaged: `unreadGroupRecord()` says which
 */
export function decodeGroupRecord(key: Uint8Array | null, value: Uint8Array | null): GroupRecord | null {
  const record = read(key, value);
  return typeof record === "string" ? null : record;
}

/** Tells why `decodeGroupRecord()` returned null for a key and value. Also returns "damaged" for records that it can read. */
export function unreadGroupRecord(key: Uint8Array | null, value: Uint8Array | null): UnreadGroupRecord {
  const record = read(key, value);
  return typeof record === "string" ? record : "damaged";
}

/** The codec of group records for the runtime of coordinators. */
export const groupRecordCodec: RecordCodec<GroupRecord> = {
  encode: (record) => {
    try {
      return encodeGroupRecord(record);
    } catch (error) {
      if (error instanceof GroupRecordTooLargeError) return null;
      throw error;
    }
  },
  decode: decodeGroupRecord,
  unread: unreadGroupRecord,
};

function read(key: Uint8Array | null, value: Uint8Array | null): GroupRecord | UnreadGroupRecord {
  if (key === null) return "damaged";
  const keyReader = new Reader(key);
  const type = keyReader.int16();
  if (keyReader.failure !== null) return "damaged";
  const known = byType[type];
  if (known === undefined) return type < 0 ? "damaged" : "later-type";
  const decodedKey = known.key.decode(keyReader, 0);
  if (keyReader.failure !== null) return "damaged";
  const decodedValue = value === null ? null : readValue(known.value, value);
  if (typeof decodedValue === "string") return decodedValue;
  return { kind: known.kind, key: decodedKey, value: decodedValue } as GroupRecord;
}

function readValue(declared: Message, bytes: Uint8Array): object | UnreadGroupRecord {
  const reader = new Reader(bytes);
  const version = reader.int16();
  if (reader.failure !== null || version < 0) return "damaged";
  if (!includes(declared.versions, version)) return "later-version";
  const value = declared.decode(reader, version);
  return reader.failure === null ? value as object : "damaged";
}

function allocate(byteLength: number): Uint8Array {
  if (byteLength <= GROUP_RECORD_BYTES_MAX) return new Uint8Array(byteLength);
  throw new GroupRecordTooLargeError(`Cannot write a group record: the limit is ${GROUP_RECORD_BYTES_MAX} bytes`);
}

function keyOf<const F extends Parameters<typeof message>[1]>(type: number, fields: F) {
  return message({ apiKey: type, versions: "0", flexible: "none" }, fields);
}

function row(kind: GroupRecordKind, key: Message, value: Message): Row {
  return { kind, key, value, written: 0 };
}
