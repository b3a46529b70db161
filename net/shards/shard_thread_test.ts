import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { SHARD_LIMITS } from "./shard_thread.ts";

const MIB = 1024 * 1024;

/** Lets V8 enlarge the young generation as far as it may, and posts its size: most objects survive two collections. */
const program = `
  import { getHeapSpaceStatistics } from "node:v8";
  let living = [];
  for (let index = 0; index < 3_000_000; index++) {
    living.push({ index, list: [index] });
    if (living.length === 100_000) living = [];
  }
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  globalThis.postMessage(space.space_size);
`;

function youngBytes(limits: { maxYoungGenerationSizeMb?: number }): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const module = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const worker = new Worker(module, { resourceLimits: limits });
  worker.on("message", resolve);
  worker.on("error", reject);
  return promise.finally(() => worker.terminate());
}

Deno.test("SHARD_LIMITS bounds the young generation of a worker, which otherwise is several times as large", async () => {
  assert.ok(await youngBytes(SHARD_LIMITS) <= 16 * MIB);
  assert.ok(await youngBytes({}) >= 32 * MIB);
});
