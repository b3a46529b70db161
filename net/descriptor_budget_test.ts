import { strict as assert } from "node:assert";
import { descriptorBudget, divideDescriptors } from "./descriptor_budget.ts";

Deno.test("divideDescriptors() keeps a quarter for files, at most what the logs of many shards can use", () => {
  for (const limit of [64, 256, 1024, 4096, 20_000, 1_048_576]) {
    for (const shardsCount of [1, 2, 8, 64]) {
      const { connectionsEnd, warmSegmentsMax } = divideDescriptors(limit, shardsCount);
      const reserved = limit - connectionsEnd;
      assert.equal(reserved, Math.min(4096, limit / 4), `${limit}`);
      assert.ok(warmSegmentsMax >= 1 && warmSegmentsMax <= 256);
      // One closed segment a shard has to be possible; above that, they stay within the reserve.
      assert.ok(warmSegmentsMax === 1 || (3 * warmSegmentsMax + 32) * shardsCount <= reserved);
    }
  }
  assert.deepEqual(divideDescriptors(Infinity, 2), { limit: Infinity, connectionsEnd: Infinity, warmSegmentsMax: 256 });
});

Deno.test("descriptorBudget() divides what this process may have", async () => {
  const { limit, connectionsEnd } = await descriptorBudget(1);
  const shell = await new Deno.Command("sh", { args: ["-c", "ulimit -n"] }).output();
  const told = new TextDecoder().decode(shell.stdout).trim();
  assert.equal(limit, told === "unlimited" ? Infinity : Number(told));
  assert.ok(connectionsEnd > 0);
});
