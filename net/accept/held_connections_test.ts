import { strict as assert } from "node:assert";
import { HELD_MAX, HeldConnections } from "./held_connections.ts";

Deno.test("HeldConnections holds a limited number of connections, closes further ones at once, and all of them at its end", () => {
  const held = new HeldConnections();
  const closed: number[] = [];
  for (let index = 0; index < HELD_MAX + 2; index++) {
    held.closeLater({ [Symbol.dispose]: () => void closed.push(index) }, 60_000);
  }
  assert.deepEqual(closed, [HELD_MAX, HELD_MAX + 1]);
  held[Symbol.dispose]();
  assert.deepEqual(closed.slice(2), Array.from({ length: HELD_MAX }, (_, index) => index));
});
