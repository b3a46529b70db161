import assert from "node:assert/strict";
import type { ClientQuota } from "../../partitions/mod.ts";
import { errorCode, errorName } from "../protocol/error_codes.ts";
import type { DescribeClientQuotasResponse } from "../protocol/messages/48_describe_client_quotas.ts";
import { describeClientQuotasApi, handleDescribeClientQuotas } from "./48_describe_client_quotas.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const [EXACT, DEFAULT, ANY] = [0, 1, 2];
const clientQuotas: ClientQuota[] = [
  { entity: { user: "u", "client-id": "c" }, values: { producer_byte_rate: 2 ** 53, request_percentage: 0.5 } },
  { entity: { user: null }, values: { consumer_byte_rate: 7 } },
  { entity: { ip: null }, values: { connection_creation_rate: 8 } },
];

type Component = readonly [entityType: string, matchType: number, match?: string];

function describe(components: readonly Component[], { strict = false, version = 1, quotas = clientQuotas } = {}) {
  const { services } = testServices();
  services.image.apply({ changed: [], deletedIds: [], clientQuotas: quotas });
  const exchange = new WireExchange<DescribeClientQuotasResponse>(48, version);
  const request = components.map(([entityType, matchType, match = null]) => ({ entityType, matchType, match }));
  handleDescribeClientQuotas({ components: request, strict }, exchange, services);
  return exchange.answer;
}

function entities(...asked: Parameters<typeof describe>) {
  const names = describe(...asked).entries?.map(({ entity }) =>
    entity.map(({ entityType, entityName }) => `${entityType} ${entityName}`).join(", ")
  );
  return names?.join("; ");
}

for (const version of servedVersions(48)) {
  Deno.test(`handleDescribeClientQuotas() v${version} answers entities with their quotas`, () => {
    const answer = describe([["user", ANY], ["client-id", EXACT, "c"]], { version, strict: true });
    assert.deepEqual(answer, {
      ...{ throttleTimeMs: 0, errorCode: 0, errorMessage: "" },
      entries: [{
        entity: [{ entityType: "client-id", entityName: "c" }, { entityType: "user", entityName: "u" }],
        values: [{ key: "producer_byte_rate", value: 2 ** 53 }, { key: "request_percentage", value: 0.5 }],
      }],
    });
  });
}

Deno.test("handleDescribeClientQuotas() tells names, defaults and types apart, and strict requests from others", () => {
  const all = "client-id c, user u; user null; ip null";
  assert.equal(entities([]), all);
  assert.equal(entities([], { strict: true }), "");
  assert.equal(entities([["user", ANY]]), "client-id c, user u; user null");
  assert.equal(entities([["user", ANY]], { strict: true }), "user null");
  assert.equal(entities([["user", DEFAULT]]), "user null");
  assert.equal(entities([["user", EXACT, "null"]]), "");
  assert.equal(entities([["user", ANY]], { quotas: [] }), "");
});

Deno.test("handleDescribeClientQuotas() refuses conditions that contradict each other, without entities", () => {
  const wrong: readonly (readonly Component[])[] = [
    [["", ANY]],
    [["user", EXACT]],
    [["user", ANY, "u"]],
    [["user", 9]],
    [["user", ANY], ["user", DEFAULT]],
    [["ip", ANY], ["user", ANY]],
  ];
  for (const components of wrong) {
    const { errorCode: code, entries } = describe(components);
    assert.deepEqual([errorName(code), entries], ["INVALID_REQUEST", null]);
  }
  assert.equal(describe([["group", ANY]]).errorCode, errorCode.UNSUPPORTED_VERSION);
  const { errorMessage } = describe([["g".repeat(10_000), ANY]]);
  assert.equal(errorMessage, `Unsupported entity type ${"g".repeat(200)}`, "a sentence stays short");
});

Deno.test("DescribeClientQuotas needs the right to read the cluster's configs", () => {
  assert.equal(describeClientQuotasApi.needs?.operation, "DESCRIBE_CONFIGS");
  const refusal = describeClientQuotasApi.needs?.refuse({} as never, 1) as DescribeClientQuotasResponse;
  assert.deepEqual([refusal.errorCode, refusal.entries], [errorCode.CLUSTER_AUTHORIZATION_FAILED, null]);
});
