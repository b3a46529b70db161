import { strict as assert } from "node:assert";
import { monotonicMicroseconds } from "./monotonic_clock.ts";

Deno.test("monotonicMicroseconds() is no more than the time since the machine's start, and grows", async () => {
  const before = monotonicMicroseconds();
  const [uptime = ""] = (await Deno.readTextFile("/proc/uptime")).split(" ");
  const after = monotonicMicroseconds();
  assert.ok(before > 0n && before <= after);
  // The time since the start counts that in which the machine slept, too; it is rounded down to hundredths.
  assert.ok(Number(before) / 1e6 <= Number(uptime) + 0.02, `${before} ${uptime}`);
});
