import assert from "node:assert/strict";
import { saturationNote, takenFigure } from "./saturation.ts";

Deno.test("takenFigure() calls a broker saturated if it falls behind, or half of the requests wait", () => {
  const carried = takenFigure({ rate: 1000, takenRate: 1001, p50Ms: 0.2 });
  assert.deepEqual([carried.value, carried.saturated], [100, false]);
  const behind = takenFigure({ rate: 1000, takenRate: 970, p50Ms: 0.2 });
  assert.deepEqual([behind.value, behind.saturated], [97, true]);
  assert.equal(takenFigure({ rate: 1000, takenRate: 1000, p50Ms: 25 }).saturated, true);
  assert.equal(takenFigure({ rate: 1000, takenRate: 990, p50Ms: 9 }).saturated, false);
});

Deno.test("saturationNote() counts the runs in which a broker was past saturation", () => {
  const run = (saturated?: boolean) => [{ name: "p50", value: 1, better: "lower", saturated } as const];
  assert.equal(saturationNote("Apache Kafka", [run(), run(false)]), null);
  assert.match(
    saturationNote("Apache Kafka", [run(true), run(false)])!,
    /^Apache Kafka is past saturation in 1 of 2 runs: /,
  );
});
