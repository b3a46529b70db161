import assert from "node:assert/strict";
import { EtcdSilence } from "./etcd_silence.ts";

Deno.test("EtcdSilence tells once that etcd has been silent for seconds, and once that it answers again", () => {
  let nowMs = 0;
  const told: string[] = [];
  const silence = new EtcdSilence({ monotonicMs: () => nowMs, wallMs: () => nowMs }, (text) => told.push(text));
  for (; nowMs < 10_000; nowMs += 500) silence.failed("the connection fails");
  assert.deepEqual(told, [], "the start says it itself");
  silence.answered();
  for (let at = 0; at < 2500; at += 500, nowMs += 500) silence.failed("the connection fails");
  silence.answered();
  assert.deepEqual(told, [], "an election");
  for (let at = 0; at < 10_000; at += 500, nowMs += 500) silence.failed("the connection fails");
  assert.deepEqual(told.splice(0), [
    "etcd does not answer: the connection fails. Partitions are served, but topics, configs and leaders cannot change until it does",
  ]);
  silence.answered();
  silence.answered();
  assert.deepEqual(told, ["etcd answers again"]);
});
