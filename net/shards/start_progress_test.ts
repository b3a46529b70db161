import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/base/clock.ts";
import { OpeningProgress } from "../../partitions/owned/opening_progress.ts";
import { StartProgress } from "./start_progress.ts";

Deno.test("StartProgress writes a line every second with the sums of all shards, until it is disposed of", () => {
  const ticks = new Map<number, () => void>();
  const lines: string[] = [];
  const progress = new StartProgress(20, {
    timers: {
      every: (ms, callback) => {
        ticks.set(ms, callback);
        return () => ticks.delete(ms);
      },
    },
    report: (sentence) => lines.push(sentence),
  });
  const tick = () => ticks.get(1000)?.();
  tick();
  progress.receive(0, { logs: 3, checkedBytes: 400_000 });
  tick();
  progress.receive(1, { logs: 4, checkedBytes: 345_600_000 });
  progress.receive(0, { logs: 5, checkedBytes: 1_000_000 });
  tick();
  progress[Symbol.dispose]();
  tick();
  assert.deepEqual(lines, [
    "Starting the shards",
    "Opening logs: 3 of 20 partitions so far",
    "Opening logs: 9 of 20 partitions so far, 347 MB checked",
  ]);
});

Deno.test("OpeningProgress notices the main isolate at most four times a second", () => {
  const clock = new ManualClock();
  const notices: unknown[] = [];
  const progress = new OpeningProgress(clock, (soFar) => notices.push(soFar));
  for (let ms = 0; ms < 1000; ms += 50) {
    clock.advance(50);
    progress.countLog();
    progress.countChecked(10);
  }
  assert.deepEqual(notices, [5, 10, 15, 20].map((logs) => ({ logs, checkedBytes: 10 * (logs - 1) })));
});
