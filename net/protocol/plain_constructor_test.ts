import assert from "node:assert/strict";
import { newArray, plainConstructor } from "./plain_constructor.ts";

Deno.test("plainConstructor() makes objects that equal literals", () => {
  const Point = plainConstructor<{ readonly x: number; y: string | null }>()("x", "y");
  assert.deepEqual(new Point(1, null), { x: 1, y: null });
  assert.equal(JSON.stringify(structuredClone(new Point(2, "b"))), `{"x":2,"y":"b"}`);
  assert.equal(Object.getPrototypeOf(new Point(1, "")), Object.prototype);
});

Deno.test("newArray() makes a fresh array of the length that is asked for", () => {
  for (const count of [0, 1, 1024, 5000]) {
    const array = newArray<number>(count);
    assert.equal(array.length, count);
    array[0] = 1;
    assert.notEqual(newArray<number>(count)[0], 1);
  }
});
