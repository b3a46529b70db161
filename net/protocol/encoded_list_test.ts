import { strict as assert } from "node:assert";
import { EncodedList } from "./encoded_list.ts";
import {
  describeConfigsElement,
  describeConfigsResponse,
  type DescribeConfigsResult,
} from "./messages/32_describe_configs.ts";
import { Writer } from "./writer.ts";

const results: DescribeConfigsResult[] = ["a", "b".repeat(10_000), ""].map((resourceName) => ({
  errorCode: 0,
  errorMessage: null,
  resourceType: 2,
  resourceName,
  configs: [],
}));

Deno.test("EncodedList is encoded like the array of its elements in every version, also when it is empty", () => {
  for (const version of [1, 2, 3, 4]) {
    for (const elements of [results, []]) {
      const lists = [{}, { capacityBytes: 8 }].map((options) =>
        new EncodedList(describeConfigsElement, version, options)
      );
      for (const list of lists) {
        for (const element of elements) list.add(element);
        assert.equal(list.count, elements.length);
      }
      const encoded = [elements, ...lists.map(({ asArray }) => asArray)].map((array) => {
        const writer = new Writer();
        describeConfigsResponse.encode(writer, version, { throttleTimeMs: 0, results: array });
        return writer.bytes.slice(0, writer.position);
      });
      for (const bytes of encoded) assert.deepEqual(bytes, encoded[0]);
    }
  }
});
