import assert from "node:assert/strict";
import { Turns } from "./turns.ts";

Deno.test("take() runs changes one after the other, even after one that failed, and answers those that come too late", async () => {
  let nowMs = 0;
  const turns = new Turns(() => nowMs);
  const began: string[] = [];
  const first = Promise.withResolvers<string>();
  const change = (name: string, outcome: Promise<string>) => () => {
    began.push(name);
    return outcome;
  };
  const late = { timeoutMs: 10, answer: () => "late" };
  const outcomes = Promise.allSettled([
    turns.take(change("first", first.promise)),
    turns.take(change("second", Promise.resolve("done")), late),
    turns.take(change("third", Promise.resolve("done")), { ...late, timeoutMs: 11 }),
    turns.take(change("fourth", Promise.resolve("done"))),
  ]);
  await Promise.resolve();
  assert.deepEqual(began, ["first"]);
  nowMs = 11;
  first.reject(new Error("it fails"));
  const values = (await outcomes).map((outcome) => outcome.status === "fulfilled" ? outcome.value : "failed");
  assert.deepEqual(values, ["failed", "late", "done", "done"]);
  assert.deepEqual(began, ["first", "third", "fourth"]);
});
