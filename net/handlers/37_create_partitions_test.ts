import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { CreatePartitionsResponse } from "../protocol/messages/37_create_partitions.ts";
import { handleCreatePartitions } from "./37_create_partitions.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const request = {
  topics: [{ name: "t", count: 4, assignments: null }, { name: "u", count: 3, assignments: [{ brokerIds: [1] }] }],
  timeoutMs: 1000,
  validateOnly: true,
};

for (const version of servedVersions(37)) {
  Deno.test(`handleCreatePartitions() v${version} forwards the request and returns the results`, () => {
    const { services, calls } = testServices();
    const exchange = new WireExchange<CreatePartitionsResponse>(37, version);
    handleCreatePartitions(request, exchange, services);
    const client = { principal: "User:ANONYMOUS", clientId: "test", isStrict: version >= 3 };
    assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["createPartitions", { request, client }]]);
    const results = [
      { name: "t", errorCode: errorCode.NONE, errorMessage: null },
      { name: "u", errorCode: errorCode.INVALID_PARTITIONS, errorMessage: "no" },
    ];
    calls[0]?.answer({ results, throttleTimeMs: 900 });
    assert.deepEqual(exchange.answer.results, results);
    assert.equal(exchange.throttledMs, 900);
  });
}

Deno.test("handleCreatePartitions() answers every topic with the failure's sentence when the control plane failed", () => {
  const { services, calls } = testServices();
  const exchange = new WireExchange<CreatePartitionsResponse>(37, 3);
  handleCreatePartitions(request, exchange, services);
  calls[0]?.answer({ failure: "the disk is full" });
  const failed = { errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: "the disk is full" };
  assert.deepEqual(exchange.answer.results, [{ name: "t", ...failed }, { name: "u", ...failed }]);
});
