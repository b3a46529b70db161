import { strict as assert } from "node:assert";
import { Throttle } from "./throttle.ts";

Deno.test("Throttle.pauseMs() keeps the bytes a second, measured over 300 ms and more", () => {
  const throttle = new Throttle(1000, 50);
  assert.equal(throttle.pauseMs(200, 60), 0, "too early to decide");
  assert.equal(throttle.pauseMs(400, 250), 200, "400 bytes are due after 400 ms");
  assert.equal(throttle.pauseMs(500, 450), 0);
  assert.equal(throttle.pauseMs(400 + 250, 750), 0, "300 ms for 250 bytes");
  assert.equal(throttle.pauseMs(650 + 2000, 760), 1990, "what was not used is not saved up");
});

Deno.test("Throttle.pauseMs() lets everything pass without a limit", () => {
  const throttle = new Throttle(Infinity, 0);
  assert.equal(throttle.pauseMs(2 ** 50, 1), 0);
});

Deno.test("Throttle.pauseMs() comes to the limit whatever the pieces are", () => {
  for (const piece of [1, 1000, 1_000_000]) {
    const throttle = new Throttle(2_000_000, 0);
    let [nowMs, bytes] = [0, 0];
    while (bytes < 20_000_000) {
      bytes += piece;
      nowMs += throttle.pauseMs(bytes, nowMs);
    }
    assert.ok(nowMs >= 9700 && nowMs <= 10_500, `${piece}: ${nowMs} ms`);
  }
});
