import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { SHARD_LIMITS } from "./shard_thread.ts";

const MIB = 1024 * 1024;

interface Heap {
  /** Of the young generation at its largest, in bytes. */
  readonly young: number;
  /** How large V8 lets the heap become, in bytes: both generations. */
  readonly limit: number;
}

/** Makes objects of which most survive two collections, so that V8 enlarges the young generation. */
const program = `
  import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
  const youngBytes = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size;
  let [living, young] = [[], 0];
  for (let index = 0; index < 3_000_000; index++) {
    living.push({ index, list: [index] });
    if (living.length < 100_000) continue;
    living = [];
    young = Math.max(young, youngBytes());
  }
  globalThis.postMessage({ young, limit: getHeapStatistics().heap_size_limit });
`;

function heapOf(limits: { maxYoungGenerationSizeMb?: number }): Promise<Heap> {
  const { promise, resolve, reject } = Promise.withResolvers<Heap>();
  const module = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const worker = new Worker(module, { resourceLimits: limits });
  worker.on("message", resolve);
  worker.on("error", reject);
  return promise.finally(() => worker.terminate());
}

Deno.test("SHARD_LIMITS bounds the young generation of a worker, which otherwise may be several times as large", async () => {
  const [bounded, free] = [await heapOf(SHARD_LIMITS), await heapOf({})];
  const context = JSON.stringify({ bounded, free });
  assert.ok(bounded.young <= SHARD_LIMITS.maxYoungGenerationSizeMb * MIB, context);
  assert.ok(free.limit - bounded.limit >= 32 * MIB, context);
});
