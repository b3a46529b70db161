import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/base/clock.ts";
import type { MetricFamily } from "./metric_family.ts";
import { metricsPage } from "./metrics_page.ts";

Deno.test("metricsPage() is made in pieces of two milliseconds, with something else between them", async () => {
  const clock = new ManualClock();
  const pieces: number[] = [];
  let lastMs = 0;
  function* samples() {
    for (let at = 0; at < 1000; at++) {
      clock.advance(0.01);
      yield { labels: { at: String(at) }, value: at };
    }
  }
  const family: MetricFamily = { kind: "gauge", name: "barnabas_x", help: "X", samples: samples() };
  const { status, contentType, text } = await metricsPage(
    [family, { ...family, name: "barnabas_y", samples: [] }],
    "confluent",
    {
      now: () => clock.monotonicMs(),
      pause: () => {
        pieces.push(clock.monotonicMs() - lastMs);
        lastMs = clock.monotonicMs();
        return Promise.resolve();
      },
    },
  );
  assert.deepEqual([status, contentType], [200, "text/plain; version=0.0.4; charset=utf-8"]);
  assert.equal(text.split("\n").length, 2 + 1000 + 1);
  assert.ok(pieces.length >= 3 && pieces.every((ms) => ms <= 3), String(pieces));
});
