import assert from "node:assert/strict";
import { plainConstructor } from "./plain_constructor.ts";

Deno.test("plainConstructor() makes objects that equal literals", () => {
  const Point = plainConstructor<{ readonly x: number; y: string | null }>()("x", "y");
  assert.deepEqual(new Point(1, null), { x: 1, y: null });
  assert.equal(JSON.stringify(structuredClone(new Point(2, "b"))), `{"x":2,"y":"b"}`);
  assert.equal(Object.getPrototypeOf(new Point(1, "")), Object.prototype);
});
