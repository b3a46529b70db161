import { strict as assert } from "node:assert";
import { MemoryReturn } from "./memory_return.ts";

Deno.test("MemoryReturn returns memory after work, not while nothing is done or a call is under way, nor after stop()", async () => {
  let turns = 0;
  let calls = 0;
  let call = Promise.withResolvers<void>();
  let look: (() => void) | null = null;
  const memory = new MemoryReturn({
    turnsCount: () => turns,
    returnMemory: () => {
      calls++;
      return call.promise;
    },
    timers: {
      every: (_ms, callback) => {
        look = callback;
        return () => look = null;
      },
    },
  });
  const callsAfter = (more: number) => {
    turns += more;
    look?.();
    return calls;
  };
  assert.equal(callsAfter(199), 0);
  assert.equal(callsAfter(200), 1);
  assert.equal(callsAfter(5000), 1, "a call is under way");
  call.resolve();
  await call.promise;
  await Promise.resolve();
  call = Promise.withResolvers();
  assert.equal(callsAfter(0), 1);
  assert.equal(callsAfter(200), 2);
  call.resolve();
  await call.promise;
  await Promise.resolve();
  assert.equal(callsAfter(199), 2);
  memory.stop();
  assert.equal(callsAfter(5000), 2);
});
