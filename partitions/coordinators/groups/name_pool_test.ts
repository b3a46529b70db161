import { strict as assert } from "node:assert";
import { NamePool } from "./name_pool.ts";

Deno.test("NamePool gives a name one number until its last reference is removed, then reuses the number", () => {
  const pool = new NamePool();
  const [a, b] = [pool.hold("a"), pool.hold("b")];
  assert.notEqual(a, b);
  assert.equal(pool.hold("a"), a);
  assert.equal(pool.release(a), false);
  assert.equal(pool.find("a"), a);
  assert.equal(pool.release(a), true);
  assert.equal(pool.find("a"), -1);
  assert.deepEqual([...pool.names()], ["b"]);
  assert.equal(pool.hold("c"), a);
  assert.equal(pool.name(a), "c");
  assert.equal(pool.size, 2);
});
