/**
 * A program: a broker of two shards, which hands the only partition of a topic over to the other shard again and again until it is
 * killed. It prints its port. Arguments: directory, topic. Test code.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { Controller } from "../partitions/control.ts";

const [dataDir, name = ""] = Deno.args;
const broker = await startBroker({ port: 0, shards: 2, dataDir, topics: [{ name }] });
assert.ok("controller" in broker && broker.controller instanceof Controller);
await Deno.stdout.write(new TextEncoder().encode(`${broker.port}\n`));
for (let shard = 0;; shard = 1 - shard) {
  const topicId = broker.controller.image.topic(name)?.id ?? "";
  await broker.controller.handOverPartition({ topicId, partition: 0, shard });
}
