import { strict as assert } from "node:assert";
import { divideMappings, mappingsPerShard } from "./mapping_budget.ts";

Deno.test("divideMappings() leaves half of the limit to the runtime", () => {
  for (const shardsCount of [1, 2, 8]) {
    const perShard = divideMappings(65_530, shardsCount);
    assert.ok(perShard > 0 && perShard * shardsCount <= 65_530 / 2);
  }
});

Deno.test("mappingsPerShard() uses the machine's limit", async () => {
  const limit = Number(Deno.readTextFileSync("/proc/sys/vm/max_map_count"));
  assert.equal(await mappingsPerShard(2), Math.floor(limit / 4));
});
