/** The tools of the hostile tests against the product's codec: a request that is refused as malformed would attack nothing. */
import assert from "node:assert/strict";
import { apis } from "../../net/handlers/mod.ts";
import { decodeRequestHeader, encodeResponseHeader } from "../../net/protocol/headers.ts";
import { Reader } from "../../net/protocol/reader.ts";
import { elementsIn, sampleStruct } from "../../net/protocol/sample_values.ts";
import { Writer } from "../../net/protocol/writer.ts";
import { chooseSeed, Random } from "../interop/random.ts";
import { walkAnswer } from "./answer_walk.ts";
import { nameOf, stretchedFrame, stretchesOf, TAGS } from "./stretched_frame.ts";

const context = { topicIds: new Map(["t", "big", "e0000000"].map((name) => [name, new Uint8Array(16).fill(7)])) };

Deno.test("stretchedFrame() makes requests that can be decoded, of the wanted size and full of the stretched field", () => {
  for (const api of apis) {
    for (let version = api.served[0]; version <= api.served[1]; version++) {
      for (const stretch of stretchesOf(api, version)) {
        const bytes = 4000;
        const frame = stretchedFrame(stretch, { bytes, context });
        assert.ok(frame.length <= bytes && frame.length > bytes * 0.7, `${nameOf(stretch)}: ${frame.length} bytes`);
        const reader = new Reader(frame.subarray(4));
        const header = decodeRequestHeader(reader, () => api.request);
        assert.deepEqual([header.apiKey, header.apiVersion, header.correlationId], [api.key, version, 1]);
        const request = api.request.decode(reader, version);
        assert.equal(reader.failure, null, nameOf(stretch));
        assert.equal(reader.remaining, 0, nameOf(stretch));
        const isOfTags = stretch.target.includes(TAGS);
        assert.ok(isOfTags || elementsIn(request) >= 40, `${nameOf(stretch)}: ${elementsIn(request)} elements`);
      }
    }
  }
});

/** Arrays whose elements have no name, or one of few. */
const UNNAMED = ["CreatePartitions topics.assignments", "AlterClientQuotas entries.ops"];

Deno.test("stretchedFrame() writes elements that differ or are equal, as the pattern says", () => {
  for (const api of apis) {
    const version = api.served[1];
    for (const stretch of stretchesOf(api, version)) {
      if (stretch.target.includes(TAGS)) continue;
      const frame = stretchedFrame(stretch, { bytes: 4000, context });
      const reader = new Reader(frame.subarray(4));
      decodeRequestHeader(reader, () => api.request);
      const elements = elementsAt(api.request.decode(reader, version), stretch.target);
      const different = new Set(elements.map((element) => JSON.stringify(element, withoutPlace))).size;
      const isNumber = typeof elements[0] === "number" && stretch.target.at(-1) !== "partitions" &&
        stretch.target.at(-1) !== "partitionIndexes";
      const isUnnamed = isNumber || UNNAMED.includes(`${api.name} ${stretch.target.join(".")}`);
      const isEqual = stretch.elements === "equal" || stretch.elements === "bare" || isUnnamed;
      if (isEqual) assert.equal(different, 1, nameOf(stretch));
      else if (stretch.elements === "absent") assert.equal(different, elements.length, nameOf(stretch));
    }
  }
});

Deno.test("walkAnswer() reads every answer to its end and finds its error codes", () => {
  const random = new Random(chooseSeed());
  for (const api of apis) {
    for (let version = api.served[0]; version <= api.served[1]; version++) {
      for (let round = 0; round < 20; round++) {
        const value = sampleStruct(api.response.fields, version, () => random.below(2 ** 30) / 2 ** 30);
        const writer = new Writer();
        encodeResponseHeader(writer, api.response, { apiVersion: version, correlationId: 5 });
        api.response.encode(writer, version, value);
        const walked = walkAnswer(writer.toBytes(), { api, version });
        const where = `${api.name} v${version} (seed ${random.seed})`;
        assert.equal(walked.correlationId, 5, where);
        if (typeof value.errorCode === "number") assert.ok(walked.errorCodes.has(value.errorCode), where);
      }
    }
  }
});

Deno.test("walkAnswer() refuses an answer that is too short or too long", () => {
  const [api] = apis.filter(({ name }) => name === "ListGroups");
  assert.ok(api !== undefined);
  const writer = new Writer();
  encodeResponseHeader(writer, api.response, { apiVersion: 5, correlationId: 5 });
  api.response.encode(writer, 5, { throttleTimeMs: 0, errorCode: 0, groups: [] });
  const bytes = writer.toBytes();
  for (let end = 4; end < bytes.length; end++) {
    assert.throws(() => walkAnswer(bytes.subarray(0, end), { api, version: 5 }), RangeError);
  }
  const longer = new Uint8Array(bytes.length + 1);
  longer.set(bytes);
  assert.throws(() => walkAnswer(longer, { api, version: 5 }), /1 bytes follow/);
});

/** Records are decoded as a range of the request's bytes. */
function withoutPlace(name: string, value: unknown): unknown {
  return name === "start" ? 0 : value;
}

function elementsAt(value: unknown, [name, ...rest]: readonly string[]): unknown[] {
  const inner = (value as Record<string, unknown>)[name as string];
  const list = Array.isArray(inner) ? inner : [inner];
  return rest.length === 0 ? list : list.flatMap((element) => elementsAt(element, rest));
}
