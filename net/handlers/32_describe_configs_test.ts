import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  DescribeConfigsResult,
} from "../protocol/messages/32_describe_configs.ts";
import { handleDescribeConfigs } from "./32_describe_configs.ts";
import { servedVersions, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

const TOPIC = 2;
const BROKER = 4;

const configured = { ...topicImage("t", TOPIC_ID), configs: { "retention.ms": "1000" } };
const { services } = testServices([configured], { properties: { "log.segment.bytes": "1048576" } });

function describe(
  resource: { resourceType: number; resourceName: string; configurationKeys?: string[] | null },
  changes: Partial<DescribeConfigsRequest> & { version?: number } = {},
): DescribeConfigsResult {
  const { version = 4, ...rest } = changes;
  const exchange = new WireExchange<DescribeConfigsResponse>(32, version);
  const resources = [{ configurationKeys: null, ...resource }];
  handleDescribeConfigs(
    { resources, includeSynonyms: false, includeDocumentation: false, ...rest },
    exchange,
    services,
  );
  const [result] = exchange.answer.results;
  assert.ok(result !== undefined);
  assert.deepEqual([result.resourceType, result.resourceName], [resource.resourceType, resource.resourceName]);
  return result;
}

for (const version of servedVersions(32)) {
  Deno.test(`handleDescribeConfigs() v${version} returns a topic's value, source, synonyms, type and documentation`, () => {
    const resource = { resourceType: TOPIC, resourceName: "t", configurationKeys: ["retention.ms", "segment.bytes"] };
    const asked = { includeSynonyms: true, includeDocumentation: true, version };
    const result = describe(resource, asked);
    assert.deepEqual([result.errorCode, result.errorMessage, result.configs.length], [errorCode.NONE, null, 2]);
    const byName = new Map(result.configs.map((config) => [config.name, config]));
    const retention = byName.get("retention.ms");
    assert.deepEqual([retention?.value, retention?.configSource, retention?.readOnly], ["1000", 1, false]);
    assert.deepEqual(retention?.synonyms?.[0], { name: "retention.ms", value: "1000", source: 1 });
    const segment = byName.get("segment.bytes");
    assert.deepEqual([segment?.value, segment?.configSource], ["1048576", 4]);
    assert.deepEqual(segment?.synonyms?.map(({ name, source }) => [name, source]), [
      ["log.segment.bytes", 4],
      ["log.segment.bytes", 5],
    ]);
    assert.equal(segment?.configType, version >= 3 ? 3 : 0);
    assert.equal(typeof segment?.documentation === "string", version >= 3);
  });
}

Deno.test("handleDescribeConfigs() omits synonyms and documentation unless asked", () => {
  for (const config of describe({ resourceType: TOPIC, resourceName: "t" }).configs) {
    assert.deepEqual([config.synonyms, config.documentation], [[], null]);
  }
});

Deno.test("handleDescribeConfigs() treats null and empty keys as all, and unknown keys as none", () => {
  const count = (configurationKeys: string[] | null) =>
    describe({ resourceType: TOPIC, resourceName: "t", configurationKeys }).configs.length;
  assert.ok(count(null) > 20);
  assert.equal(count([]), count(null));
  assert.equal(count(["no.such.config", "__proto__"]), 0);
});

Deno.test("handleDescribeConfigs() describes this broker by its id, and what all brokers have in common by no name", () => {
  const broker = describe({ resourceType: BROKER, resourceName: "1" });
  assert.equal(broker.errorCode, errorCode.NONE);
  const segment = broker.configs.find(({ name }) => name === "log.segment.bytes");
  assert.deepEqual([segment?.value, segment?.configSource, segment?.readOnly], ["1048576", 4, false]);
  assert.equal(broker.configs.find(({ name }) => name === "num.partitions")?.readOnly, true);
  const all = describe({ resourceType: BROKER, resourceName: "" });
  assert.deepEqual([all.errorCode, all.configs], [errorCode.NONE, []]);
});

Deno.test("handleDescribeConfigs() refuses unknown topics, invalid names, other brokers and other kinds", () => {
  const cases: [type: number, name: string, code: number, message: RegExp][] = [
    [TOPIC, "none", errorCode.UNKNOWN_TOPIC_OR_PARTITION, /topic/],
    [TOPIC, "no/name", errorCode.INVALID_TOPIC_EXCEPTION, /Topic name is invalid/],
    [TOPIC, "", errorCode.INVALID_TOPIC_EXCEPTION, /empty string/],
    [BROKER, "2", errorCode.INVALID_REQUEST, /expected 1 or empty string, but received 2/],
    [BROKER, "one", errorCode.INVALID_REQUEST, /must be an integer, but it is: one/],
    [8, "1", errorCode.INVALID_REQUEST, /Unsupported resource type: 8/],
    [32, "", errorCode.INVALID_REQUEST, /Group name must not be empty/],
    [0, "", errorCode.INVALID_REQUEST, /Unsupported resource type: 0/],
  ];
  for (const [resourceType, resourceName, code, message] of cases) {
    const result = describe({ resourceType, resourceName });
    assert.equal(result.errorCode, code, `${resourceType} ${resourceName}`);
    assert.match(result.errorMessage ?? "", message);
    assert.deepEqual(result.configs, []);
  }
});

Deno.test("handleDescribeConfigs() describes a group by its own settings, and an unknown group by the defaults", () => {
  const groups = [{ groupId: "g", configs: { "consumer.session.timeout.ms": "50000" } }];
  services.image.apply({ changed: [], deletedIds: [], groups });
  const session = (resourceName: string) =>
    describe({ resourceType: 32, resourceName, configurationKeys: ["consumer.session.timeout.ms"] }).configs[0];
  assert.deepEqual([session("g")?.value, session("g")?.configSource, session("g")?.readOnly], ["50000", 8, false]);
  assert.deepEqual([session("unknown")?.value, session("unknown")?.configSource], ["45000", 5]);
  assert.equal(describe({ resourceType: 32, resourceName: "g" }).configs.length, 17);
});

Deno.test("handleDescribeConfigs() answers a repeated resource once, and refuses resources beyond the limit of the answer", () => {
  const resource = { resourceType: TOPIC, resourceName: "t", configurationKeys: null as string[] | null };
  const answerTo = (resources: (typeof resource)[]) => {
    const exchange = new WireExchange<DescribeConfigsResponse>(32, 4);
    const request = { resources, includeSynonyms: true, includeDocumentation: true };
    handleDescribeConfigs(request, exchange, services);
    return exchange.answer.results;
  };
  const other = { ...resource, configurationKeys: ["retention.ms"] };
  assert.equal(answerTo([resource, other, resource, other]).length, 2);
  const names = answerTo([resource])[0]?.configs.map(({ name }) => name) ?? [];
  // A different question each time, with the same long answer.
  const many = Array.from({ length: 6000 }, (_, index) => ({ ...resource, configurationKeys: [...names, `${index}`] }));
  const results = answerTo(many);
  const refusedFrom = results.findIndex(({ errorCode: code }) => code !== errorCode.NONE);
  assert.ok(refusedFrom > 1000, `${refusedFrom} of ${results.length}, ${names.length} names`);
  assert.equal(results.length, many.length);
  for (const { errorCode: code, errorMessage: message, configs } of results.slice(refusedFrom)) {
    assert.deepEqual([code, configs.length], [errorCode.INVALID_REQUEST, 0]);
    assert.match(message ?? "", /ask for fewer resources/);
  }
});
