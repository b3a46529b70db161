import { strict as assert } from "node:assert";
import { emptyWatermarks, MetadataImage, partitionState, WatermarkTable } from "../../partitions/mod.ts";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import { topicImage } from "../handlers/handler_testing.ts";
import { healthPage, type LedSources, readyPage } from "./broker_health.ts";

const built = brokerConfigFrom(new Map());
assert.ok("config" in built);
const { config } = built;

const broker = { nodeId: 1, rack: null, advertised: [], directories: [] };

/** A broker with a topic of so many partitions, all of which its metadata says it leads. */
function newSources(partitions: number) {
  const image = new MetadataImage();
  image.apply({
    changed: [topicImage("t", "id", partitions)],
    deletedIds: [],
    brokers: [{ ...broker, state: "active" }],
  });
  const watermarks = new WatermarkTable(WatermarkTable.allocate());
  return { config, image, watermarks } satisfies LedSources;
}

function lead({ watermarks }: LedSources, slot: number, state: number = partitionState.open): void {
  watermarks.write(slot, { ...emptyWatermarks(), state, leadership: 1 });
}

Deno.test("readyPage() is 200 once each partition that should be led here is led, and names those that are not", () => {
  const sources = newSources(3);
  const none = readyPage(sources, "");
  assert.equal(none.status, 503);
  assert.match(none.text, /3 partitions are not led that should be led here: t-0, t-1, t-2\n$/);
  lead(sources, 0);
  lead(sources, 2, partitionState.offline);
  assert.match(readyPage(sources, "").text, /2 partitions .*: t-1, t-2\n$/, "a log that is offline is not led");
  lead(sources, 1);
  lead(sources, 2);
  assert.deepEqual([readyPage(sources, "").status, readyPage(sources, "").text], [
    200,
    "ready: the broker leads 3 partitions\n",
  ]);
});

Deno.test("readyPage() leaves partitions to others that they lead, and counts one whose log directory is missing", () => {
  const sources = newSources(2);
  const [first, second] = topicImage("t", "id", 2).partitions;
  assert.ok(first !== undefined && second !== undefined);
  const partitions = [{ ...first, leader: 2 }, { ...second, slot: -1, directory: -1 }];
  sources.image.apply({ changed: [{ ...topicImage("t", "id", 2), partitions }], deletedIds: [] });
  assert.match(readyPage(sources, "").text, /1 partitions .*: t-1\n$/);
});

Deno.test("readyPage() names ten partitions at most", () => {
  const { text } = readyPage(newSources(60), "");
  assert.ok(text.length < 200 && text.endsWith("t-8, t-9 and 50 more\n"), text);
});

Deno.test("readyPage() is 503 without a running broker, and while the broker is fenced in its cluster", () => {
  const starting = readyPage(null, "the broker starts");
  assert.deepEqual([starting.status, starting.text], [503, "not ready: the broker starts\n"]);
  const sources = newSources(0);
  sources.image.apply({ changed: [], deletedIds: [], brokers: [{ ...broker, state: "fenced" }] });
  assert.match(readyPage(sources, "").text, /fenced/);
  sources.image.apply({ changed: [], deletedIds: [], brokers: [] });
  assert.match(readyPage(sources, "").text, /not registered/);
  sources.image.apply({ changed: [], deletedIds: [], brokers: [{ ...broker, state: "active" }] });
  assert.equal(readyPage(sources, "").status, 200);
});

Deno.test("healthPage() is 200 while the broker starts, and then while its shards turn", () => {
  assert.equal(healthPage(null).status, 200);
  assert.equal(healthPage({ allTurn: () => true }).status, 200);
  assert.equal(healthPage({ allTurn: () => false }).status, 503);
});
