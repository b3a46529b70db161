import { strict as assert } from "node:assert";
import { encodeResponseHeader } from "../../../net/protocol/headers.ts";
import { fetchResponse } from "../../../net/protocol/messages/01_fetch.ts";
import { Writer } from "../../../net/protocol/writer.ts";
import { FETCH_VERSION, FetchAnswerReader } from "./fetch_answer.ts";

const ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";
const OTHER = "MTIzNDU2Nzg5MDEyMzQ1Nw";

function encoded(body: Parameters<typeof fetchResponse.encode>[2]): Uint8Array {
  const writer = new Writer();
  encodeResponseHeader(writer, fetchResponse, { apiVersion: FETCH_VERSION, correlationId: 7 });
  fetchResponse.encode(writer, FETCH_VERSION, body);
  return writer.toBytes();
}

const part = (partitionIndex: number, more: object = {}) => ({
  ...{ partitionIndex, errorCode: 0, highWatermark: 10 + partitionIndex, lastStableOffset: 3, logStartOffset: 1 },
  ...{ records: new Uint8Array([partitionIndex, 2, 3]), ...more },
});

const ANSWER = encoded({
  throttleTimeMs: 9,
  errorCode: 0,
  sessionId: 33,
  responses: [
    { topicId: ID, partitions: [part(0), part(1, { abortedTransactions: [{ producerId: 1, firstOffset: 2 }] })] },
    { topicId: OTHER, partitions: [] },
    {
      topicId: OTHER,
      partitions: [
        part(2, {
          divergingEpoch: { epoch: 4, endOffset: 8 },
          currentLeader: { leaderId: 3, leaderEpoch: 6 },
          abortedTransactions: null,
          records: null,
        }),
      ],
    },
  ],
  nodeEndpoints: [{ nodeId: 3, host: "h", port: 1, rack: null }],
});

/** What a reader finds in bytes. */
function read(bytes: Uint8Array, reader = new FetchAnswerReader()) {
  const correlationId = reader.begin(bytes, { start: 0, length: bytes.length });
  const parts = [];
  while (reader.next()) {
    const { topicId, partition, partitionError, highWatermark, logStartOffset, divergingEpoch, divergingEndOffset } =
      reader;
    const records = [...bytes.subarray(reader.recordsStart, reader.recordsStart + reader.recordsLength)];
    parts.push([
      topicId,
      partition,
      partitionError,
      highWatermark,
      logStartOffset,
      divergingEpoch,
      divergingEndOffset,
      records,
    ]);
  }
  const { errorCode, sessionId, failure } = reader;
  return { correlationId, errorCode, sessionId, failure, parts };
}

Deno.test("FetchAnswerReader reads what the protocol's encoder writes, partition by partition", () => {
  const reader = new FetchAnswerReader();
  for (let time = 0; time < 2; time++) {
    assert.deepEqual(read(ANSWER, reader), {
      ...{ correlationId: 7, errorCode: 0, sessionId: 33, failure: null },
      parts: [
        [ID, 0, 0, 10, 1, -1, -1, [0, 2, 3]],
        [ID, 1, 0, 11, 1, -1, -1, [1, 2, 3]],
        [OTHER, 2, 0, 12, 1, 4, 8, []],
      ],
    });
  }
  const empty = encoded({ errorCode: 70, sessionId: 0, responses: [] });
  assert.deepEqual(read(empty, reader), { correlationId: 7, errorCode: 70, sessionId: 0, failure: null, parts: [] });
});

Deno.test("FetchAnswerReader refuses every truncation, and a reader goes on with the next answer", () => {
  const reader = new FetchAnswerReader();
  for (let length = 0; length < ANSWER.length; length++) {
    assert.notEqual(read(ANSWER.subarray(0, length), reader).failure, null, `${length} bytes`);
  }
  assert.equal(read(ANSWER, reader).failure, null);
});

Deno.test("FetchAnswerReader throws for no flipped bit, and takes no offset that no log has", () => {
  for (let bit = 0; bit < ANSWER.length * 8; bit++) {
    const bytes = ANSWER.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    for (const [, , , highWatermark, logStart] of read(bytes).parts) {
      for (const offset of [highWatermark, logStart] as number[]) {
        assert.ok(Number.isSafeInteger(offset) && offset >= -1);
      }
    }
  }
});

Deno.test("FetchAnswerReader compares counts and lengths with the bytes that are left", () => {
  const writer = new Writer();
  encodeResponseHeader(writer, fetchResponse, { apiVersion: FETCH_VERSION, correlationId: 7 });
  writer.int32(0);
  writer.int16(0);
  writer.int32(1);
  writer.unsignedVarint(0xffff_ffff);
  const { failure, parts } = read(writer.toBytes());
  assert.match(failure ?? "", /^Array of 4294967294 elements/);
  assert.deepEqual(parts, []);
});
