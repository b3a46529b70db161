import assert from "node:assert/strict";
import { configOf } from "../../metadata/controller_testing.ts";
import { MetadataImage } from "../../metadata/image.ts";
import { applySettings, dynamicSettings } from "../broker/dynamic_settings.ts";
import { describeGroupConfigs, groupSettings, validateGroupConfigs } from "./group_configs.ts";

const broker = configOf();

const refusals: [configs: Record<string, string>, message: string][] = [
  [{ "segment.ms": "1" }, "Unknown group config name: segment.ms"],
  [
    { "consumer.session.timeout.ms": "soon" },
    "Invalid value soon for configuration consumer.session.timeout.ms: Not a number of type INT",
  ],
  [
    { "consumer.heartbeat.interval.ms": "0" },
    "Invalid value 0 for configuration consumer.heartbeat.interval.ms: Value must be at least 1",
  ],
  [
    { "consumer.heartbeat.interval.ms": "4999" },
    "consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms",
  ],
  [
    { "consumer.heartbeat.interval.ms": "15001" },
    "consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms",
  ],
  [
    { "consumer.session.timeout.ms": "44999" },
    "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
  ],
  [
    { "consumer.session.timeout.ms": "60001" },
    "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
  ],
  [
    { "consumer.assignment.interval.ms": "15001" },
    "consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms",
  ],
  [
    { "share.delivery.count.limit": "11" },
    "share.delivery.count.limit must be less than or equal to group.share.max.delivery.count.limit",
  ],
  [
    { "streams.num.standby.replicas": "3" },
    "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
  ],
];

for (const [configs, message] of refusals) {
  Deno.test(`validateGroupConfigs() refuses ${JSON.stringify(configs)} in Kafka's words`, () => {
    assert.equal(validateGroupConfigs(configs, broker), message);
  });
}

Deno.test("validateGroupConfigs() accepts both ends of every range, and settings that are not set", () => {
  for (const [session, heartbeat, interval] of [["45000", "5000", "0"], ["60000", "15000", "15000"]]) {
    const configs = {
      "consumer.session.timeout.ms": session as string,
      "consumer.heartbeat.interval.ms": heartbeat as string,
      "consumer.assignment.interval.ms": interval as string,
    };
    assert.equal(validateGroupConfigs(configs, broker), null);
  }
  assert.equal(validateGroupConfigs({}, broker), null);
});

Deno.test("validateGroupConfigs() requires a session timeout above the heartbeat interval, which may be inherited", () => {
  const properties = {
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "45000",
  };
  const message = "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms";
  assert.equal(validateGroupConfigs({ "consumer.session.timeout.ms": "5000" }, configOf(properties)), message);
  assert.equal(validateGroupConfigs({ "consumer.session.timeout.ms": "5001" }, configOf(properties)), null);
});

const offsetResets: [text: string, isValid: boolean][] = [
  ["earliest", true],
  ["latest", true],
  ["by_duration:P1DT2H3M4.5S", true],
  ["by_duration:PT1H", true],
  ["by_duration:", false],
  ["by_duration:P", false],
  ["by_duration:PT", false],
  ["by_duration:-PT1H", false],
  ["none", false],
  ["", false],
];

Deno.test("validateGroupConfigs() accepts the forms of share.auto.offset.reset", () => {
  for (const [text, isValid] of offsetResets) {
    assert.equal(validateGroupConfigs({ "share.auto.offset.reset": text }, broker) === null, isValid, text);
  }
});

Deno.test("describeGroupConfigs() prefers the group's own value to the broker's and the default, ordered by name", () => {
  const properties = { "group.consumer.session.timeout.ms": "50000" };
  const entries = describeGroupConfigs({ "consumer.session.timeout.ms": "60000" }, configOf(properties));
  assert.deepEqual(entries.map(({ name }) => name), entries.map(({ name }) => name).toSorted());
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const session = byName.get("consumer.session.timeout.ms");
  assert.deepEqual([session?.value, session?.source, session?.readOnly, session?.type], ["60000", 8, false, 3]);
  assert.deepEqual(session?.synonyms, [
    { name: "consumer.session.timeout.ms", value: "60000", source: 8 },
    { name: "group.consumer.session.timeout.ms", value: "50000", source: 4 },
    { name: "group.consumer.session.timeout.ms", value: "45000", source: 5 },
  ]);
  const isolation = byName.get("share.isolation.level");
  assert.deepEqual([isolation?.value, isolation?.source], ["read_uncommitted", 5]);
  assert.deepEqual(isolation?.synonyms, [{ name: "share.isolation.level", value: "read_uncommitted", source: 5 }]);
});

Deno.test("groupSettings() follows the image: defaults, a group's own values, defaults again", () => {
  const image = new MetadataImage();
  const settingsOf = groupSettings(image, configOf({ "group.consumer.heartbeat.interval.ms": "6000" }));
  const defaults = { sessionTimeoutMs: 45_000, heartbeatIntervalMs: 6000, assignmentIntervalMs: 1000 };
  assert.deepEqual(settingsOf("g"), defaults);
  const set = (configs: Record<string, string>) =>
    image.apply({ changed: [], deletedIds: [], groups: [{ groupId: "g", configs }] });
  set({ "consumer.session.timeout.ms": "60000", "consumer.assignment.interval.ms": "0" });
  assert.deepEqual(settingsOf("g"), { ...defaults, sessionTimeoutMs: 60_000, assignmentIntervalMs: 0 });
  assert.equal(settingsOf("g"), settingsOf("g"), "resolved once");
  assert.deepEqual(settingsOf("other"), defaults);
  set({ "consumer.session.timeout.ms": "55000" });
  assert.equal(settingsOf("g").sessionTimeoutMs, 55_000);
  set({});
  assert.deepEqual(settingsOf("g"), defaults);
});

Deno.test("groupSettings() clamps a value to limits that changed after it was set", () => {
  const image = new MetadataImage();
  const configs = { "consumer.session.timeout.ms": "60000", "consumer.heartbeat.interval.ms": "5000" };
  image.apply({ changed: [], deletedIds: [], groups: [{ groupId: "g", configs }] });
  const properties = {
    "group.consumer.max.session.timeout.ms": "50000",
    "group.consumer.min.heartbeat.interval.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "7000",
  };
  const { sessionTimeoutMs, heartbeatIntervalMs } = groupSettings(image, configOf(properties))("g");
  assert.deepEqual([sessionTimeoutMs, heartbeatIntervalMs], [50_000, 6000]);
});

Deno.test("groupSettings() follows the broker's dynamic settings", () => {
  const image = new MetadataImage();
  image.apply({
    changed: [],
    deletedIds: [],
    groups: [{ groupId: "g", configs: { "consumer.session.timeout.ms": "50000" } }],
  });
  const broker = configOf({});
  const settingsOf = groupSettings(image, broker);
  const intervals = () =>
    [settingsOf("g"), settingsOf("other")].map(({ assignmentIntervalMs }) => assignmentIntervalMs);
  assert.deepEqual(intervals(), [1000, 1000]);
  const layers = { ...broker.layers, default: { "group.consumer.assignment.interval.ms": "3000" } };
  applySettings(broker, dynamicSettings(layers, broker));
  assert.deepEqual(intervals(), [3000, 3000]);
});
