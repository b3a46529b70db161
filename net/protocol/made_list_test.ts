import assert from "node:assert/strict";
import { MadeList } from "./made_list.ts";
import { Reader } from "./reader.ts";
import { array, field, int32, message, struct } from "./schema.ts";
import { Writer } from "./writer.ts";

Deno.test("MadeList is encoded as the array of its elements, and makes each when it is written", () => {
  for (const flexible of ["none", "0+"]) {
    const inner = struct({ number: field(int32, "0+") });
    const outer = message({ apiKey: 0, versions: "0", flexible }, { list: field(array(inner), "0+") });
    const made: number[] = [];
    const list = new MadeList(3, (index) => {
      made.push(index);
      return index;
    }).map((index) => ({ number: index * 10 }));
    const writer = new Writer();
    assert.deepEqual(made, []);
    outer.encode(writer, 0, { list: list.asArray });
    assert.deepEqual(made, [0, 1, 2]);
    const decoded = outer.decode(new Reader(writer.bytes.subarray(0, writer.position)), 0);
    assert.deepEqual(decoded.list, [{ number: 0 }, { number: 10 }, { number: 20 }]);
    assert.deepEqual([...list], decoded.list);
  }
});

Deno.test("MadeList.from() makes an element of each item", () => {
  const list = MadeList.from(["a", "b"], (text) => text + text);
  assert.deepEqual([list.length, list.at(1), [...list]], [2, "bb", ["aa", "bb"]]);
});
