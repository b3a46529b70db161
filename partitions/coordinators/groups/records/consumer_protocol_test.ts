/** Subscriptions and assignments as Kafka's message classes write them (tests/golden/consumer_offsets), and damaged ones. */
import { deepEqual, equal } from "node:assert/strict";
import {
  decodeConsumerAssignment,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
  subscribedTopics,
} from "./consumer_protocol.ts";

interface Golden {
  readonly name: "ConsumerProtocolSubscription" | "ConsumerProtocolAssignment";
  readonly version: number;
  readonly value: { readonly [name: string]: unknown };
  readonly hex: string;
}

const path = new URL("../../../../tests/golden/consumer_offsets/consumer_protocol.jsonl", import.meta.url);
const golden: Golden[] = Deno.readTextFileSync(path).trim().split("\n").map((line) => JSON.parse(line));
const subscriptions = golden.filter(({ name }) => name === "ConsumerProtocolSubscription");
const assignments = golden.filter(({ name }) => name === "ConsumerProtocolAssignment");

const absent = { ownedPartitions: [], generationId: -1, rackId: null };
function withBytes(value: { readonly [name: string]: unknown }) {
  const { userData } = value;
  return { ...value, userData: userData === null ? null : Uint8Array.fromBase64(userData as string) };
}

Deno.test("decodeConsumerSubscription() and encodeConsumerSubscription() agree with Kafka in every version", () => {
  deepEqual(subscriptions.map(({ version }) => version), [0, 1, 2, 3]);
  for (const { version, value, hex } of subscriptions) {
    const decoded = decodeConsumerSubscription(Uint8Array.fromHex(hex))!;
    deepEqual(decoded, { version, value: { ...absent, ...withBytes(value) } });
    equal(encodeConsumerSubscription(version, decoded.value).toHex(), hex);
  }
});

Deno.test("decodeConsumerAssignment() and encodeConsumerAssignment() agree with Kafka in every version", () => {
  deepEqual(assignments.map(({ version }) => version), [0, 1, 2, 3]);
  for (const { version, value, hex } of assignments) {
    const decoded = decodeConsumerAssignment(Uint8Array.fromHex(hex))!;
    deepEqual(decoded, { version, value: withBytes(value) });
    equal(encodeConsumerAssignment(version, decoded.value).toHex(), hex);
  }
});

Deno.test("decodeConsumerSubscription() reads a later version as the last known one, and ignores the bytes after it", () => {
  const { hex, value } = subscriptions[3]!;
  for (const version of ["0004", "7fff"]) {
    const bytes = Uint8Array.fromHex(version + hex.slice(4) + "c0ffee");
    deepEqual(decodeConsumerSubscription(bytes), { version: 3, value: withBytes(value) });
  }
});

Deno.test("decodeConsumerSubscription() and decodeConsumerAssignment() return null for every cut", () => {
  for (const { name, hex } of golden) {
    const bytes = Uint8Array.fromHex(hex);
    const decode = name === "ConsumerProtocolSubscription" ? decodeConsumerSubscription : decodeConsumerAssignment;
    for (let length = 0; length < bytes.length; length++) equal(decode(bytes.subarray(0, length)), null);
  }
});

Deno.test("subscribedTopics() reads every version, also when the rest is damaged", () => {
  for (const { hex } of subscriptions) {
    deepEqual(subscribedTopics(Uint8Array.fromHex(hex)), ["a", "größer"]);
  }
  const { hex } = subscriptions[0]!;
  deepEqual(subscribedTopics(Uint8Array.fromHex(`0003${hex.slice(4)}`)), ["a", "größer"], "v3 without its fields");
  equal(subscribedTopics(Uint8Array.fromHex(`ffff${hex.slice(4)}`)), null);
  equal(subscribedTopics(new Uint8Array(0)), null);
});

Deno.test("damaged bytes never throw", () => {
  for (const { hex } of golden) {
    const bytes = Uint8Array.fromHex(hex);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      decodeConsumerSubscription(bytes);
      decodeConsumerAssignment(bytes);
      subscribedTopics(bytes);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    for (let at = 2; at + 4 <= bytes.length; at++) {
      const hostile = bytes.slice();
      new DataView(hostile.buffer).setInt32(at, 0x7fffffff);
      decodeConsumerSubscription(hostile);
      decodeConsumerAssignment(hostile);
    }
  }
});
