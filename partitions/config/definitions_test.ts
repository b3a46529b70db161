import assert from "node:assert/strict";
import { brokerDefinitions } from "./broker/broker_definitions.ts";
import type { ConfigDefinition } from "./config_definitions.ts";
import { parseConfigValue } from "./config_values.ts";
import { boundedSettings, groupDefinitions } from "./groups/group_definitions.ts";
import { topicDefinitions } from "./topics/topic_definitions.ts";

interface KafkaSetting {
  readonly type: string;
  readonly defaultText: string | null;
  readonly range: string;
}

const kafka = {
  topic: new Map<string, KafkaSetting>(),
  broker: new Map<string, KafkaSetting>(),
  group: new Map<string, KafkaSetting>(),
};
const listing = Deno.readTextFileSync(new URL("../../tests/golden/kafka_4.3.1_settings.txt", import.meta.url));
for (const line of listing.split("\n").filter((line) => line !== "" && !line.startsWith("#"))) {
  const [scope = "", name = "", type = "", defaultText = "", range = ""] = line.split("|").map((part) => part.trim());
  kafka[scope as keyof typeof kafka].set(name, {
    type,
    defaultText: defaultText === "none" ? null : type === "LIST" ? defaultText.replaceAll(", ", ",") : defaultText,
    range,
  });
}

/** Settings whose default differs from Kafka's on purpose; help and README say so. */
const ownDefaults = new Map([
  ["listeners", "PLAINTEXT://127.0.0.1:9092"],
  ["log.dirs", "./barnabas-data"],
  ["log.dir", null],
  ["node.id", "1"],
  ["group.initial.rebalance.delay.ms", "0"],
  ["broker.heartbeat.interval.ms", "100"],
  ["broker.session.timeout.ms", "700"],
  ["socket.receive.buffer.bytes", "-1"],
  ["replica.socket.receive.buffer.bytes", "-1"],
  ["socket.send.buffer.bytes", "-1"],
]);

/** Settings with a range in Kafka of which one value is accepted. */
const onlyValues = new Map([["compression.lz4.level", "9"]]);

function assertLikeKafka(definition: ConfigDefinition, like: KafkaSetting): void {
  assert.equal(definition.type, like.type, `type of ${definition.name}`);
  const expected = ownDefaults.has(definition.name) ? ownDefaults.get(definition.name) : like.defaultText;
  assert.equal(definition.defaultText, expected, `default of ${definition.name}`);
  const accepts = (text: string) => !("refused" in parseConfigValue(definition, text));
  const range = /^\[(-?\d+),\.\.\.(?:,(\d+))?\]$/.exec(like.range);
  if (range === null) return;
  const only = onlyValues.get(definition.name);
  if (only !== undefined) return assert(accepts(only) && !accepts(`${Number(only) + 1}`), definition.name);
  assert(accepts(range[1] ?? ""), `${definition.name} accepts ${range[1]}`);
  assert(!accepts(String(Number(range[1]) - 1)), `${definition.name} refuses less than ${range[1]}`);
  if (range[2] === undefined) return;
  assert(accepts(range[2]), `${definition.name} accepts ${range[2]}`);
  assert(!accepts(String(Number(range[2]) + 1)), `${definition.name} refuses more than ${range[2]}`);
}

Deno.test("topicDefinitions has every topic setting of Kafka with its type, default and range, and no other", () => {
  assert.deepEqual([...topicDefinitions.keys()].sort(), [...kafka.topic.keys()].sort());
  for (const definition of topicDefinitions.values()) {
    assertLikeKafka(definition, kafka.topic.get(definition.name) as KafkaSetting);
  }
});

Deno.test("groupDefinitions has every group setting of Kafka with its type, default and range, in order, and no other", () => {
  assert.deepEqual([...groupDefinitions.keys()], [...kafka.group.keys()].sort());
  for (const definition of groupDefinitions.values()) {
    assertLikeKafka(definition, kafka.group.get(definition.name) as KafkaSetting);
  }
});

Deno.test("boundedSettings names Kafka's broker settings with their defaults", () => {
  for (const { name, min, max } of boundedSettings) {
    assert(groupDefinitions.has(name), name);
    for (const bound of [min, max]) {
      if (bound !== undefined) assert.equal(kafka.broker.get(bound[0])?.defaultText, String(bound[1]), bound[0]);
    }
  }
});

Deno.test("brokerDefinitions has Kafka's type, default and range for every name of Kafka's", () => {
  for (const definition of brokerDefinitions.values()) {
    const like = kafka.broker.get(definition.name);
    assert.equal(like === undefined, definition.name.startsWith("barnabas."), definition.name);
    if (like !== undefined) assertLikeKafka(definition, like);
  }
});

Deno.test("every setting's default passes its own check, and its documentation is a sentence", () => {
  const all = [topicDefinitions, brokerDefinitions, groupDefinitions].flatMap((table) => [...table.values()]);
  for (const definition of all) {
    assert.match(definition.documentation, /^[A-Z].*\.$/, definition.name);
    if (definition.defaultText === null) continue;
    const parsed = parseConfigValue(definition, definition.defaultText);
    assert(!("refused" in parsed), definition.name);
    assert.equal(parsed.text, definition.defaultText);
  }
});

Deno.test("every broker setting that topics and groups inherit from is a broker setting", () => {
  for (const { synonyms } of [...topicDefinitions.values(), ...groupDefinitions.values()]) {
    for (const { name } of synonyms) assert(brokerDefinitions.has(name), name);
  }
});
