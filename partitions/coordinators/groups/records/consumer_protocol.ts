/**
 * The content of the opaque bytes that consumers send in the classic protocol (protocol type "consumer"): subscriptions in JoinGroup,
 * assignments in SyncGroup. The coordinator parses them only when a group changes its protocol, and to keep the offsets of topics in use.
 * Any isolate.
 *
 *    int16 version · body, never flexible; bytes that a later version appends are ignored
 *
 * v1 owned partitions (KIP-429) · v2 generation (KIP-792) · v3 rack (KIP-881).
 *
 * What must always hold: no bytes of a client make a decoder throw; it returns null for bytes that are not of this format.
 * Source: Kafka 4.3 ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json, ConsumerProtocol.
 */
import { Reader } from "../../../../net/protocol/reader.ts";
import {
  array,
  bytes,
  field,
  type Infer,
  int32,
  type Message,
  message,
  string,
  struct,
} from "../../../../net/protocol/schema.ts";
import { Writer } from "../../../../net/protocol/writer.ts";

/** Protocol type of groups that use this format. Others, such as Connect, use their own. */
export const CONSUMER_PROTOCOL_TYPE = "consumer";

const NO_API = -1;
/** A topic name takes at least the bytes of its length field. */
const TOPIC_BYTES_MIN = 2;

const topicPartitions = struct({
  topic: field(string, "0+"),
  partitions: field(array(int32), "0+"),
});

const subscription = message({ apiKey: NO_API, versions: "0-3", flexible: "none" }, {
  topics: field(array(string), "0+"),
  userData: field(bytes, "0+", { nullable: "0+", default: null }),
  ownedPartitions: field(array(topicPartitions), "1+", { default: [], ignorable: true }),
  generationId: field(int32, "2+", { default: -1, ignorable: true }),
  rackId: field(string, "3+", { nullable: "3+", default: null, ignorable: true }),
});

const assignment = message({ apiKey: NO_API, versions: "0-3", flexible: "none" }, {
  assignedPartitions: field(array(topicPartitions), "0+"),
  userData: field(bytes, "0+", { nullable: "0+", default: null }),
});

/** Partitions of one topic. */
export type ConsumerTopicPartitions = Infer<typeof topicPartitions>;
/** The topics that a member subscribes to, and the partitions it owns. */
export type ConsumerSubscription = Infer<typeof subscription>;
/** The partitions that are assigned to a member. */
export type ConsumerAssignment = Infer<typeof assignment>;

/** A decoded value with the version it was written in, 3 for any later version. */
export interface Versioned<Value> {
  readonly version: number;
  readonly value: Value;
}

/** Reads a subscription. @returns null when the bytes are not a subscription */
export function decodeConsumerSubscription(bytes: Uint8Array): Versioned<ConsumerSubscription> | null {
  return decode(subscription, bytes);
}

/** Reads an assignment. @returns null when the bytes are not an assignment; also for empty bytes, which mean "nothing assigned" */
export function decodeConsumerAssignment(bytes: Uint8Array): Versioned<ConsumerAssignment> | null {
  return decode(assignment, bytes);
}

/**
 * Reads the topics of a subscription of any version. All versions begin like version 0, and the rest is ignored, as in Kafka.
 * @returns null when the bytes are no subscription
 */
export function subscribedTopics(bytes: Uint8Array): readonly string[] | null {
  const reader = new Reader(bytes);
  if (reader.int16() < 0) return null;
  const topics: string[] = [];
  for (let left = reader.count(TOPIC_BYTES_MIN); left > 0 && reader.failure === null; left--) {
    topics.push(reader.string());
  }
  return reader.failure === null ? topics : null;
}

/** Writes a subscription. @param version 0 to 3; fields that the version does not have are left out */
export function encodeConsumerSubscription(version: number, value: ConsumerSubscription): Uint8Array {
  return encode(subscription, version, value);
}

/** Writes an assignment. @param version 0 to 3, that of the member's subscription */
export function encodeConsumerAssignment(version: number, value: ConsumerAssignment): Uint8Array {
  return encode(assignment, version, value);
}

function decode<D, E>(declared: Message<D, E>, bytes: Uint8Array): Versioned<D> | null {
  const reader = new Reader(bytes);
  const version = Math.min(reader.int16(), declared.versions.max);
  if (reader.failure !== null || version < 0) return null;
  const value = declared.decode(reader, version);
  return reader.failure === null ? { version, value } : null;
}

function encode<D, E>(declared: Message<D, E>, version: number, value: E): Uint8Array {
  const writer = new Writer();
  writer.int16(version);
  declared.encode(writer, version, value);
  return writer.toBytes();
}
