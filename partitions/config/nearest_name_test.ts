import assert from "node:assert/strict";
import { nearestName } from "./nearest_name.ts";

const NAMES = ["--port", "--host", "--data", "--topic"];

Deno.test("nearestName() finds a name with a letter missing, added, replaced or swapped", () => {
  for (const text of ["--prt", "--porrt", "--pert", "--prot", "--PORT"]) {
    assert.equal(nearestName(text, NAMES), "--port");
  }
});

Deno.test("nearestName() counts a swap of neighbours as one edit", () => {
  assert.equal(nearestName("abdc", ["abcd"]), "abcd");
  assert.equal(nearestName("abxy", ["abcd"]), null);
});

Deno.test("nearestName() proposes no name that differs too much", () => {
  assert.equal(nearestName("--bootstrap", NAMES), null);
  assert.equal(nearestName("x".repeat(101), ["x".repeat(101)]), null);
});
