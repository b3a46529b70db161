import assert from "node:assert/strict";
import { askForShortSlices, niceness, sliceNs } from "./scheduling.ts";

Deno.test("askForShortSlices() gives the calling thread slices of 0.1 ms where the kernel supports it (Linux 6.12)", () => {
  const before = sliceNs();
  assert(before >= 0, "the kernel tells the slice");
  assert(askForShortSlices());
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  const hasSlices = major > 6 || (major === 6 && minor >= 12);
  assert.equal(sliceNs(), hasSlices ? 100_000 : before);
});

Deno.test("yieldToOthers() takes the calling thread back, and no other one", async () => {
  const before = niceness();
  assert(before !== null, "the kernel tells the nice value");
  const module = new URL("scheduling.ts", import.meta.url).href;
  const program = `
    import { niceness, yieldToOthers } from ${JSON.stringify(module)};
    self.postMessage({ yields: yieldToOthers(), nice: niceness() });
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(program)}`, { type: "module" });
  const answer = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => answer.resolve(data);
  assert.deepEqual(await answer.promise, { yields: true, nice: Math.max(10, before) });
  worker.terminate();
  assert.equal(niceness(), before);
});
