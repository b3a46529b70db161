import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { afterUse, atOtherRate, PAUSE_MS_MAX, pauseMs, type Rate, unused } from "./rates.ts";

/** Kafka's defaults: 11 windows of a second, so 10 whole ones behind the current one. */
const rate = (perSecond: number): Rate => ({ perSecond, burstMs: 10_000, debtMsMax: Infinity });

Deno.test("pauseMs() after idle time is Kafka's (O - T) / T * W", () => {
  for (const [sum, perSecond] of [[1000, 100], [1001, 100], [560, 5], [1_000_000, 7], [3, 2 ** 53]] as const) {
    const observed = sum / 10;
    const expected = observed <= perSecond ? 0 : Math.round((observed - perSecond) / perSecond * 10_000);
    assert.equal(pauseMs(afterUse(unused(500, rate(perSecond)), sum, 500, rate(perSecond)), 500), expected);
  }
});

Deno.test("afterUse() lets one who uses all that it may have its rate, after a first burst, whatever the sizes", () => {
  const random = createRandom(1);
  for (const [perSecond, largest] of [[1_000_000, 16_000], [1_000_000, 2_000_000], [10, 5], [0.5, 3]] as const) {
    const of = rate(perSecond);
    let [nowMs, used] = [1000, 0];
    let dueMs = unused(nowMs, of);
    const beganMs = nowMs;
    let [markMs, markUsed] = [0, 0];
    while (nowMs - beganMs < 1_000_000) {
      const amount = Math.ceil(random() * largest);
      dueMs = afterUse(dueMs, amount, nowMs, of);
      used += amount;
      // The next request comes at once, or at the end of the pause.
      nowMs += Math.max(0.01, pauseMs(dueMs, nowMs));
      if (markMs === 0 && nowMs - beganMs > 15_000) [markMs, markUsed] = [nowMs, used];
    }
    const measured = (used - markUsed) / (nowMs - markMs) * 1000;
    assert(Math.abs(measured / perSecond - 1) < 0.01, `${measured} of ${perSecond}`);
    assert(used <= perSecond * (nowMs - beganMs + 10_000) / 1000 + largest, "no more than a burst and the rate");
  }
});

Deno.test("afterUse() forgives debt above the limit, and keeps credit below it", () => {
  const of: Rate = { perSecond: 10, burstMs: 10_000, debtMsMax: 2000 };
  assert.equal(afterUse(unused(0, of), 1e15, 0, of), 2000);
  assert.equal(pauseMs(afterUse(-1e15, 100, 50_000, of), 50_000), 0);
  assert.equal(afterUse(-1e15, 100, 50_000, of), 50_000);
});

Deno.test("atOtherRate() keeps the units of credit and debt when a quota is changed", () => {
  assert.equal(atOtherRate(9000, 5000, { from: 100, to: 400 }), 6000);
  assert.equal(atOtherRate(1000, 5000, { from: 400, to: 100 }), -11_000);
});

Deno.test("pauseMs() fits the field of an answer, for any quota", () => {
  assert.equal(pauseMs(afterUse(0, 2 ** 53, 0, rate(1)), 0), PAUSE_MS_MAX);
  assert.equal(pauseMs(afterUse(0, 2 ** 53, 0, rate(Number.MIN_VALUE)), 0), PAUSE_MS_MAX);
  assert.equal(pauseMs(afterUse(unused(0, rate(2 ** 53)), 1, 0, rate(2 ** 53)), 0), 0);
});
