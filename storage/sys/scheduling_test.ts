import assert from "node:assert/strict";
import { askForShortSlices, sliceNs } from "./scheduling.ts";

Deno.test("askForShortSlices() gives the calling thread slices of 0.1 ms where the kernel supports it (Linux 6.12)", () => {
  const before = sliceNs();
  assert(before >= 0, "the kernel tells the slice");
  assert(askForShortSlices());
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  const hasSlices = major > 6 || (major === 6 && minor >= 12);
  assert.equal(sliceNs(), hasSlices ? 100_000 : before);
});
