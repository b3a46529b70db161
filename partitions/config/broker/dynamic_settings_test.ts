import assert from "node:assert/strict";
import { brokerDefinitions } from "./broker_definitions.ts";
import { brokerConfigFrom } from "./broker_properties.ts";
import { describeBrokerConfigs, describeDefaultConfigs, isDynamic } from "./described_broker.ts";
import { applySettings, dynamicSettings } from "./dynamic_settings.ts";

function configOf(properties: Record<string, string> = {}) {
  const result = brokerConfigFrom(new Map(Object.entries(properties)));
  assert(!("refused" in result), "refused" in result ? result.refused : "");
  return result.config;
}

/** Kafka's names that this broker only reads at its start. */
const LISTENERS = ["listeners", "listener.security.protocol.map"];

Deno.test("every broker setting changes as Kafka's does", async () => {
  const listing = await Deno.readTextFile(
    new URL("../../../tests/golden/kafka_4.3.1_update_modes.txt", import.meta.url),
  );
  const lines = listing.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const modes = new Map(lines.map((line) => line.split(" | ") as [string, string]));
  for (const { name, update } of brokerDefinitions.values()) assert.equal(update, modes.get(name) ?? "read-only", name);
  const perBroker = [...brokerDefinitions.values()].filter(({ update }) => update === "per-broker");
  assert.deepEqual(perBroker.map(({ name }) => name).sort(), LISTENERS.toSorted());
});

Deno.test("dynamicSettings() has every field that a dynamic setting decides, and no other", () => {
  const other: Readonly<Record<string, string>> = {
    BOOLEAN: "true",
    INT: "5",
    LONG: "2097153",
    DOUBLE: "0.7",
    "log.cleaner.io.max.bytes.per.second": "1000.0",
    "log.cleanup.policy": "compact",
    "compression.type": "zstd",
    "compression.lz4.level": "9",
    "log.message.timestamp.type": "LogAppendTime",
    "log.segment.bytes": "2097152",
    "log.cleaner.max.compaction.lag.ms": "88",
    "max.connections.per.ip.overrides": "10.0.0.1:5",
  };
  const base = configOf();
  for (const { name, type } of [...brokerDefinitions.values()].filter(isDynamic)) {
    const value = other[name] ?? other[type];
    assert(value !== undefined, name);
    const started = configOf({ [name]: value });
    const changed = configOf();
    applySettings(changed, dynamicSettings({ ...changed.layers, broker: { [name]: value } }, changed));
    assert.deepEqual({ ...changed, layers: null }, { ...started, layers: null }, name);
    applySettings(changed, dynamicSettings(base.layers, changed));
    assert.deepEqual(changed, base, name);
  }
});

Deno.test("what a broker has set goes before what all have set, and that before its file", () => {
  const config = configOf({ "log.retention.ms": "1", "message.max.bytes": "10", "num.partitions": "3" });
  const layers = {
    broker: { "log.retention.ms": "3" },
    default: { "log.retention.ms": "2", "message.max.bytes": " 20 " },
    static: config.layers.static,
  };
  applySettings(config, dynamicSettings(layers, config));
  assert.deepEqual([config.logDefaults.retentionMs, config.logDefaults.maxMessageBytes], [3, 20]);
  const shown = describeBrokerConfigs(config).filter(({ name }) => name in config.layers.static);
  const of = ([name, value, source]: [string, string, number]) => ({ name, value, source });
  assert.deepEqual(
    shown.map(({ name, value, source, readOnly, synonyms }) => [name, value, source, readOnly, synonyms]),
    [
      [
        "log.retention.ms",
        "3",
        2,
        false,
        ([["3", 2], ["2", 3], ["1", 4]] as [string, number][]).map(([value, source]) =>
          of(["log.retention.ms", value, source])
        ).concat(of(["log.retention.hours", "168", 5])),
      ],
      [
        "message.max.bytes",
        "20",
        3,
        false,
        ([[" 20 ", 3], ["10", 4], ["1048588", 5]] as [string, number][]).map((
          [value, source],
        ) => of(["message.max.bytes", value, source])),
      ],
      ["num.partitions", "3", 4, true, [of(["num.partitions", "3", 4]), of(["num.partitions", "1", 5])]],
    ],
  );
  assert.deepEqual(describeDefaultConfigs(config).map(({ name, value, source }) => [name, value, source]), [
    ["log.retention.ms", "2", 3],
    ["message.max.bytes", " 20 ", 3],
  ]);
});
