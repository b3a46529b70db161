import { strict as assert } from "node:assert";
import { EncodedList } from "./encoded_list.ts";
import { ErrorCounts, OTHER_CODES } from "./error_counts.ts";
import { produceResponse } from "./messages/00_produce.ts";
import { describeConfigsElement, describeConfigsResponse } from "./messages/32_describe_configs.ts";
import { Writer } from "./writer.ts";

function countsOf(errors: ErrorCounts | null): [code: number, count: number][] {
  const found: [number, number][] = [];
  errors?.each((code, count) => found.push([code, count]));
  return found.sort(([a], [b]) => a - b);
}

Deno.test("a Writer counts the error codes of an answer at every depth, and forgets them with it", () => {
  const writer = new Writer();
  const partition = (errorCode: number) => ({ index: 0, errorCode, baseOffset: 0 });
  const responses = [{ name: "t", partitionResponses: [6, 0, 6, -1].map(partition) }];
  produceResponse.encode(writer, 9, { responses });
  assert.deepEqual(countsOf(writer.errors), [[-1, 1], [6, 2]]);
  writer.reset();
  produceResponse.encode(writer, 9, { responses: [] });
  assert.deepEqual(countsOf(writer.errors), []);
});

Deno.test("a Writer counts the error codes of a list that was encoded before", () => {
  const results = [3, 0, 3, 7].map((errorCode) => ({
    errorCode,
    errorMessage: null,
    resourceType: 2,
    resourceName: "t",
    configs: [],
  }));
  const list = new EncodedList(describeConfigsElement, 4);
  for (const result of results) list.add(result);
  for (const array of [results, list.asArray]) {
    const writer = new Writer();
    describeConfigsResponse.encode(writer, 4, { results: array });
    assert.deepEqual(countsOf(writer.errors), [[3, 2], [7, 1]]);
  }
});

Deno.test("ErrorCounts tells fifteen codes apart and counts the others together", () => {
  const errors = new ErrorCounts();
  for (let code = 1; code <= 20; code++) errors.add(code, 2);
  assert.deepEqual(countsOf(errors).at(0), [OTHER_CODES, 10]);
  assert.equal(countsOf(errors).length, 16);
});
