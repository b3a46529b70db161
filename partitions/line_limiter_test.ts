import { strict as assert } from "node:assert";
import type { LogLine } from "./config/log_lines.ts";
import { ManualClock } from "../storage/mod.ts";
import { BROKER_LINES_MAX, brokerLinesMax, LineLimiter, PROVOKED_LINES_MAX, shardLinesMax } from "./line_limiter.ts";

/** A limiter whose time the test moves. */
function limiterOf(linesMax: (line: LogLine) => number) {
  const clock = new ManualClock();
  const sent: LogLine[] = [];
  const timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  const limiter = new LineLimiter({
    clock,
    linesMax,
    send: (line) => sent.push(line),
    after: (ms, callback) => void timers.push({ atMs: clock.monotonicMs() + ms, callback }),
  });
  const advance = (ms: number) => {
    clock.advance(ms);
    for (const { atMs, callback } of timers.splice(0)) {
      if (atMs <= clock.monotonicMs()) callback();
      else timers.push({ atMs, callback });
    }
  };
  const write = (category: LogLine["category"], text: string) => limiter.write({ category, level: "warning", text });
  return { limiter, sent, advance, write };
}

const leftOut = (category: LogLine["category"], count: number): LogLine => {
  return { category, level: "warning", text: "", leftOut: count };
};

Deno.test("LineLimiter.write() of a shard passes five lines of a kind a second, and counts the rest even if none follows", () => {
  const { sent, advance, write } = limiterOf(shardLinesMax);
  for (let count = 0; count < 8; count++) write("connections", `a${count}`);
  write("storage", "a failed disk is not hidden by that");
  const texts = sent.map(({ text }) => text);
  assert.deepEqual(texts, ["a0", "a1", "a2", "a3", "a4", "a failed disk is not hidden by that"]);
  advance(1000);
  assert.deepEqual(sent.slice(6), [leftOut("connections", 3)]);
  write("connections", "b");
  assert.deepEqual(sent.slice(7), [{ category: "connections", level: "warning", text: "b" }]);
  advance(5000);
  assert.equal(sent.length, 8);
});

Deno.test("LineLimiter.write() of the broker adds up what shards have left out, and says it once a second", () => {
  const { limiter, sent, advance, write } = limiterOf(brokerLinesMax);
  limiter.write(leftOut("connections", 1000));
  limiter.write(leftOut("connections", 20));
  for (let count = 0; count < PROVOKED_LINES_MAX + 2; count++) write("connections", "x");
  for (let count = 0; count < BROKER_LINES_MAX + 1; count++) write("storage", "y");
  assert.equal(sent.length, PROVOKED_LINES_MAX + BROKER_LINES_MAX);
  advance(1000);
  assert.deepEqual(sent.slice(-2), [leftOut("connections", 1022), leftOut("storage", 1)]);
});

Deno.test("LineLimiter.write() passes visible characters on", () => {
  const { sent, write } = limiterOf(shardLinesMax);
  write("connections", "a\nb\x1b[31m");
  assert.equal(sent[0]?.text, "a\\nb\\u001b[31m");
});
