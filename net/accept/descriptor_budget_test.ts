import { strict as assert } from "node:assert";
import { HTTP_LIMITS } from "../http/server/http_limits.ts";
import { DescriptorBudget, descriptorBudget, HTTP_DESCRIPTORS } from "./descriptor_budget.ts";

Deno.test("DescriptorBudget divides a limit into shares that together stay below it", () => {
  for (const limit of [256, 512, 1024, 4096, 20_000, 1_048_576]) {
    for (const shardsCount of [1, 2, 4]) {
      const budget = new DescriptorBudget({ limit, usedCount: 25 }, shardsCount);
      const others = 25 + 20 + 9 * (shardsCount + 1) + Math.min(24 + 56 * shardsCount, limit / 4);
      assert.ok(budget.warmSegmentsMax >= 1 && budget.warmSegmentsMax <= 256);
      assert.ok(budget.connectionsMin >= 4 && budget.connectionsMin <= 64);
      assert.ok(
        budget.slots === 16 || others + shardsCount * budget.warmSegmentsMax + budget.slots <= limit,
        `${limit}`,
      );
    }
  }
  const budget = new DescriptorBudget({ limit: 1024, usedCount: 25 }, 2);
  assert.ok(budget.logsMax > 500, "the partitions of a default limit");
});

Deno.test("DescriptorBudget keeps the descriptors of an HTTP listener", () => {
  assert.ok(HTTP_DESCRIPTORS > HTTP_LIMITS.connectionsMax);
  const [without, having] = [false, true].map((hasHttp) =>
    new DescriptorBudget({ limit: 4096, usedCount: 25 }, 2, { hasHttp })
  );
  const kept = ({ slots, warmSegmentsMax }: DescriptorBudget) => slots + 2 * warmSegmentsMax;
  assert.equal(kept(without as DescriptorBudget) - kept(having as DescriptorBudget), HTTP_DESCRIPTORS);
});

Deno.test("DescriptorBudget accepts an unlimited process, and starts with a limit that is too small", () => {
  const endless = new DescriptorBudget({ limit: Infinity, usedCount: 25 }, 2);
  assert.deepEqual([endless.slots, endless.logsMax, endless.warmSegmentsMax], [Infinity, Infinity, 256]);
  assert.equal(endless.refuseConnection({ logs: 1e6, connections: 1e6 }, 1e6), null);
  assert.equal(endless.roomForLogs({ logs: 1e6, connections: 1e6 }), Infinity);
  const tight = new DescriptorBudget({ limit: 128, usedCount: 25 }, 2);
  assert.equal(tight.refuseConnection({ logs: 500, connections: 0 }, 90), null, "an administrator gets in");
  const small = new DescriptorBudget({ limit: 64, usedCount: 25 }, 8);
  assert.deepEqual([small.slots, small.connectionsMin, small.warmSegmentsMax], [16, 4, 1]);
});

Deno.test("DescriptorBudget.roomForLogs() counts partitions and connections, and leaves room for some connections", () => {
  const budget = new DescriptorBudget({ limit: 1024, usedCount: 25 }, 2);
  assert.equal(budget.roomForLogs({ logs: 0, connections: 0 }), budget.logsMax);
  assert.equal(budget.roomForLogs({ logs: 100, connections: budget.connectionsMin }), budget.logsMax - 100);
  assert.equal(budget.roomForLogs({ logs: 100, connections: 200 }), budget.slots - 300);
  assert.equal(budget.roomForLogs({ logs: 5000, connections: 0 }), 0);
});

Deno.test("DescriptorBudget.logsOfShards() opens all logs when they fit, otherwise the same share of each shard's logs", () => {
  const budget = new DescriptorBudget({ limit: 1024, usedCount: 25 }, 2);
  const { logsMax } = budget;
  assert.deepEqual(budget.logsOfShards([logsMax - 10, 10]), [logsMax - 10, 10]);
  assert.deepEqual(budget.logsOfShards([3 * logsMax, logsMax]), [Math.floor(logsMax * 3 / 4), Math.floor(logsMax / 4)]);
  assert.deepEqual(budget.logsOfShards([0, 0]), [0, 0]);
});

Deno.test("descriptorBudget() divides the descriptors of this process", async () => {
  const { limit, slots } = await descriptorBudget({ shardsCount: 1 });
  const shell = await new Deno.Command("sh", { args: ["-c", "ulimit -n"] }).output();
  const told = new TextDecoder().decode(shell.stdout).trim();
  assert.equal(limit, told === "unlimited" ? Infinity : Number(told));
  assert.ok(slots > 0);
});

Deno.test("DescriptorBudget keeps descriptors for the groups of flushes, and for the flush worker, of each log directory", () => {
  const of = (directoriesCount: number) =>
    new DescriptorBudget({ limit: 20_000, usedCount: 25 }, 2, { directoriesCount });
  assert.equal(of(1).slots - of(3).slots, 2 * (9 + 2 * 24));
});
