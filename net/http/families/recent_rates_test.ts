import { strict as assert } from "node:assert";
import { RecentRates } from "./recent_rates.ts";

/** Counts of two shards and one listener that the test moves. */
class Counts {
  waited = [0, 0];
  created = 0;
  closed = 0;

  waitedUs(): number[] {
    return [...this.waited];
  }

  connections() {
    return { created: this.created, closed: this.closed };
  }
}

Deno.test("RecentRates say what happened a second in the last half minute", () => {
  const counts = new Counts();
  const rates = new RecentRates(counts, 1);
  assert.deepEqual(rates.rates(), { idle: [1, 1], created: [0], closed: [0] }, "nothing is known");
  rates.look(0);
  assert.deepEqual(rates.rates().idle, [1, 1]);
  for (let ms = 500; ms <= 60_000; ms += 500) {
    if (ms > 30_000) {
      counts.waited = counts.waited.map((us, shard) => us + [125_000, 500_000][shard]!);
      counts.created += 10;
      counts.closed += 5;
    }
    rates.look(ms);
  }
  assert.deepEqual(
    rates.rates(),
    { idle: [0.25, 1], created: [20], closed: [10] },
    "what was before has no part in it",
  );
  counts.waited = counts.waited.map((us) => us + 900_000);
  rates.look(60_500);
  assert.equal(rates.rates().idle[1], 1, "a wait that began before the last look counts when it ends");
});
