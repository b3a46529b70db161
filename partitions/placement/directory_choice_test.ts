import assert from "node:assert/strict";
import { ZERO_UUID } from "../../storage/base/uuid.ts";
import { directoryChooser, replicaDirectoryChooser } from "./directory_choice.ts";

Deno.test("directoryChooser() fills the emptiest directory first, and counts its own choices", () => {
  const next = directoryChooser([{ id: "a", count: 3 }, { id: "b", count: 1 }, { id: "c", count: 2 }]);
  assert.deepEqual(Array.from({ length: 7 }, next), ["b", "b", "c", "a", "b", "c", "a"]);
});

Deno.test("replicaDirectoryChooser() chooses for each replica among the directories of its broker", () => {
  const counts = new Map([["1a", 5], ["1b", 4], ["2a", 9]]);
  const brokers = [
    { nodeId: 1, directories: ["1a", "1b"] },
    { nodeId: 2, directories: ["2a"] },
    { nodeId: 3, directories: [] },
  ];
  const next = replicaDirectoryChooser(brokers, (id) => counts.get(id) ?? 0);
  assert.deepEqual(next([2, 1]), ["2a", "1b"]);
  assert.deepEqual(next([1, 3, 2]), ["1a", ZERO_UUID, "2a"], "none of a broker whose directories are offline");
  assert.deepEqual(next([1, 4]), ["1b", ZERO_UUID]);
  assert.deepEqual([counts.get("1a"), counts.get("1b")], [5, 4], "the caller's counts stay");
});

Deno.test("replicaDirectoryChooser() keeps the directories of a broker within one", () => {
  const directories = ["a", "b", "c", "d"];
  const next = replicaDirectoryChooser([{ nodeId: 1, directories }], () => 0);
  const chosen = Array.from({ length: 1001 }, () => next([1])[0]);
  const counts = directories.map((id) => chosen.filter((other) => other === id).length);
  assert.deepEqual(counts, [251, 250, 250, 250]);
});
