/** Checks every version of every message against samples made from its declaration, and against random bytes. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { createRandom } from "../../storage/base/random.ts";
import { allCases, type Case, declaredApis } from "./declared_testing.ts";
import { Reader } from "./reader.ts";
import {
  asEncodable,
  encodeBody,
  messageViolation,
  randomBytes,
  sampleStruct,
  seedOfThisRun,
  type Struct,
  violation,
  withDefaults,
} from "./sample_values.ts";
import type { Fields } from "./wire_types.ts";

const seed = seedOfThisRun();
const SAMPLES_PER_VERSION = 8;
const RANDOM_FRAMES_PER_VERSION = 300;

/** Runs a check on samples of every version. The seed is part of a failure's message. */
function forSamples(check: (testCase: Case, sample: Struct, bytes: Uint8Array<ArrayBuffer>) => void): void {
  const random = createRandom(seed);
  for (const testCase of allCases()) {
    for (let index = 0; index < SAMPLES_PER_VERSION; index++) {
      const sample = sampleStruct(testCase.message.fields, testCase.version, random);
      check(testCase, sample, encodeBody(testCase, sample));
    }
  }
}

Deno.test(`decode() yields the value given to encode(), with defaults for absent fields (BARNABAS_SEED=${seed})`, () => {
  forSamples(({ name, message, version }, sample, bytes) => {
    const reader = new Reader(bytes);
    const value = message.decode(reader, version) as Struct;
    equal(reader.failure, null, name);
    equal(reader.remaining, 0, name);
    deepEqual(asEncodable(message.fields, value, bytes), withDefaults(message.fields, sample), name);
  });
});

Deno.test(`decode() refuses every sample that is cut short (BARNABAS_SEED=${seed})`, () => {
  forSamples(({ name, message, version }, _, bytes) => {
    for (let length = 0; length < bytes.byteLength; length++) {
      const reader = new Reader(bytes.subarray(0, length));
      message.decode(reader, version);
      notEqual(reader.failure, null, `${name} cut at ${length}`);
    }
  });
});

Deno.test(`decode() survives a flipped bit in every byte of every sample (BARNABAS_SEED=${seed})`, () => {
  forSamples((testCase, _, bytes) => {
    for (let at = 0; at < bytes.byteLength; at++) {
      const bit = 1 << ((at + testCase.version) & 7);
      bytes[at]! ^= bit;
      equal(messageViolation(testCase, bytes), null, `${testCase.name} with bit ${bit} of byte ${at} flipped`);
      bytes[at]! ^= bit;
    }
  });
});

Deno.test(`decode() survives random bytes (BARNABAS_SEED=${seed})`, () => {
  const random = createRandom(seed);
  for (const testCase of allCases()) {
    for (let index = 0; index < RANDOM_FRAMES_PER_VERSION; index++) {
      const bytes = randomBytes(Math.floor(random() * 120), random);
      // Half of the frames are mostly small numbers, so that lengths and counts often fit.
      if (index % 2 === 0) {
        for (let at = 0; at < bytes.byteLength; at++) if (random() < 0.8) bytes[at]! &= 0x03;
      }
      equal(messageViolation(testCase, bytes), null, `${testCase.name} of ${bytes.toHex()}`);
    }
  }
});

Deno.test("The encoder counts every error code by its field's name, but CreateTopics' code of the configs, as Kafka", () => {
  const others = new Set<string>();
  const look = (fields: Fields, api: string): void => {
    for (const [name, { type }] of Object.entries(fields)) {
      const nested = (type.element ?? type).fields;
      if (nested !== undefined) look(nested, api);
      if (name === "errorCode") equal(type.kind, "int16", api);
      else if (name.toLowerCase().includes("errorcode")) others.add(`${api}: ${name}`);
    }
  };
  for (const { name, response } of declaredApis) look(response.fields, name);
  deepEqual([...others], ["CreateTopics: topicConfigErrorCode"]);
});

Deno.test("violation() reports a decoder that throws, and one that believes a count", () => {
  const bytes = Uint8Array.of(0x00, 0x00, 0x10, 0x00);
  const throwing = (reader: Reader): unknown => reader.bytes.at(reader.int32())!.toFixed();
  const believing = (reader: Reader): unknown => Array.from({ length: reader.int32() }, () => reader.int8());
  notEqual(violation(throwing, bytes), null);
  notEqual(violation(believing, bytes), null);
});
