import assert from "node:assert/strict";
import { configOf } from "../controller_testing.ts";
import { brokerConfigsKey, type BrokerConfigsOwner } from "../records.ts";
import type { StoreChange } from "../store/store.ts";
import { BrokerSettings } from "./broker_settings.ts";

function create(properties: Record<string, string> = {}) {
  const reports: string[] = [];
  const settings = new BrokerSettings(configOf({ "node.id": "4", ...properties }), (text) => reports.push(text));
  let changes = 0;
  settings.listen(() => changes++);
  return { settings, reports, changes: () => changes };
}

function row(owner: BrokerConfigsOwner, configs: unknown, version = 1) {
  return { key: brokerConfigsKey(owner), value: JSON.stringify({ configs }), version };
}

/** What follows a store: rows, and later changes of them. */
function follower(...rows: { key: string; value: string; version: number }[]) {
  let listener: (changes: readonly StoreChange[], version: number) => void = () => {};
  return {
    rows: new Map(rows.map((one) => [one.key, one])),
    follow: (to: typeof listener) => {
      listener = to;
      return { [Symbol.dispose]: () => listener = () => {} };
    },
    change: (...changes: StoreChange[]) => listener(changes, 2),
  };
}

Deno.test("BrokerSettings changes the object that everybody reads, by the rows of a shared store about this broker and all", () => {
  const { settings, reports, changes } = create({ "log.retention.ms": "1" });
  const { config } = settings;
  const store = follower(row("default", { "log.retention.ms": "2" }), row(5, { "log.retention.ms": "9" }));
  using _following = settings.follow(store);
  assert.equal(config.logDefaults.retentionMs, 2);
  store.change(row(4, { "log.retention.ms": "3", "max.connections": "7" }));
  assert.deepEqual([config.logDefaults.retentionMs, config.maxConnections], [3, 7]);
  store.change(row(5, { "log.retention.ms": "8" }), { key: "topics/t", value: "{}", version: 3 });
  assert.equal(changes(), 2, "nothing of that is about this broker");
  store.change({ key: brokerConfigsKey(4), deleted: true });
  assert.deepEqual([config.logDefaults.retentionMs, config.maxConnections], [2, 2147483647]);
  assert.deepEqual(settings.stored("default"), { "log.retention.ms": "2" });
  assert.deepEqual(reports, []);
});

Deno.test("BrokerSettings leaves out stored values that this version does not take, with a sentence for each, and keeps them", () => {
  const { settings, reports } = create();
  const configs = { "log.segment.bytes": "1", "no.such": "x", "num.partitions": "5", "message.max.bytes": "70" };
  settings.load([row("default", configs), row(4, null), row(9, null)]);
  assert.deepEqual(settings.config.layers.default, { "message.max.bytes": "70" });
  assert.equal(settings.config.logDefaults.maxMessageBytes, 70);
  assert.deepEqual([settings.stored("default"), settings.stored(4)], [configs, null]);
  assert.deepEqual(reports, [
    "The stored settings of broker 4 are not used: this version cannot read broker-configs/4",
    "A stored setting of all brokers is not used: Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576",
    "A stored setting of all brokers is not used: this version has no setting no.such",
    "A stored setting of all brokers is not used: num.partitions does not change while a broker runs",
  ]);
});

Deno.test("BrokerSettings leaves out what does not fit the rest", () => {
  const { settings, reports } = create();
  settings.load([row("default", { "log.retention.ms": "5" }), row(4, { "max.connections.per.ip": "0" })]);
  assert.deepEqual(settings.config.layers.broker, {});
  assert.deepEqual(settings.config.logDefaults.retentionMs, 5);
  assert.match(
    reports.join(),
    /^The stored settings of broker 4 are not used: requirement failed: max\.connections\.per\.ip can/,
  );
});

Deno.test("BrokerSettings.reload() takes what can change of a new file, and names the rest", () => {
  const { settings, changes } = create({ "log.retention.ms": "1", "num.partitions": "2", "log.cleaner.threads": "1" });
  settings.load([row(4, { "message.max.bytes": "70" })]);
  const next = { "node.id": "4", "log.cleaner.threads": "8", "message.max.bytes": "90", "num.partitions": "3" };
  assert.deepEqual(settings.reload(configOf(next)), {
    changed: ["log.cleaner.threads", "log.retention.ms", "message.max.bytes"],
    needRestart: ["num.partitions"],
  });
  const { config } = settings;
  assert.deepEqual([config.logCleanerThreads, config.logDefaults.retentionMs], [8, 604_800_000]);
  assert.equal(config.logDefaults.maxMessageBytes, 70, "what was set at run time goes before the file");
  assert.deepEqual([config.numPartitions, config.properties["num.partitions"]], [2, "2"]);
  const before = changes();
  assert.deepEqual(settings.reload(configOf(next)), { changed: [], needRestart: ["num.partitions"] });
  assert.equal(changes(), before);
});

Deno.test("BrokerSettings.reload() changes nothing when the file does not fit what was set at run time", () => {
  const { settings } = create({ "max.connections.per.ip.overrides": "10.0.0.1:5" });
  settings.load([row(4, { "max.connections.per.ip": "0" })]);
  const outcome = settings.reload(configOf({ "node.id": "4", "message.max.bytes": "90" }));
  assert("refused" in outcome && outcome.refused.includes("max.connections.per.ip.overrides"), JSON.stringify(outcome));
  assert.equal(settings.config.logDefaults.maxMessageBytes, 1_048_588);
});

Deno.test("BrokerSettings.reload() says that the rate of a listener needs a restart, and takes that of the broker", () => {
  const { settings } = create();
  const rate = "max.connection.creation.rate";
  const next = { "node.id": "4", [rate]: "9", [`listener.name.plaintext.${rate}`]: "5" };
  assert.deepEqual(settings.reload(configOf(next)), {
    changed: [rate],
    needRestart: [`listener.name.plaintext.${rate}`],
  });
  assert.equal(settings.config.maxConnectionCreationRate, 9);
});

Deno.test("BrokerSettings.reload() says that another secret needs a restart, and shows none", () => {
  const secret = (text: string) => ({ "barnabas.inter.broker.secret": text });
  const { settings } = create(secret("0123456789abcdef"));
  assert.deepEqual(settings.reload(configOf({ "node.id": "4", ...secret("fedcba9876543210") })), {
    changed: [],
    needRestart: ["barnabas.inter.broker.secret"],
  });
});
