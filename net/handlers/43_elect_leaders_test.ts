import assert from "node:assert/strict";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import type { ElectLeadersRequest, ElectLeadersResponse } from "../protocol/messages/43_elect_leaders.ts";
import { handleElectLeaders } from "./43_elect_leaders.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const request: ElectLeadersRequest = {
  electionType: 0,
  topicPartitions: [{ topic: "t", partitions: [1, 0] }],
  timeoutMs: 1000,
};

function handle(asked: ElectLeadersRequest, version: number) {
  const { services, calls } = testServices();
  const exchange = new WireExchange<ElectLeadersResponse>(43, version);
  handleElectLeaders(asked, exchange, services);
  return { exchange, calls };
}

const named = (code: number, message: string | null) => [{
  topic: "t",
  partitionResult: [1, 0].map((partitionId) => ({ partitionId, errorCode: code, errorMessage: message })),
}];

for (const version of servedVersions(43)) {
  Deno.test(`handleElectLeaders() v${version} asks the control plane, and answers what it says`, () => {
    for (const topicPartitions of [request.topicPartitions, null]) {
      const asked = { ...request, topicPartitions };
      const { exchange, calls } = handle(asked, version);
      assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["electLeaders", { request: asked }]]);
      const replicaElectionResults = named(errorCode.PREFERRED_LEADER_NOT_AVAILABLE, "nobody");
      calls[0]?.answer({ errorCode: 0, replicaElectionResults });
      assert.deepEqual(exchange.answer.replicaElectionResults, replicaElectionResults);
    }
  });
}

Deno.test("handleElectLeaders() refuses the request and every partition that it names when the control plane failed", () => {
  const { exchange, calls } = handle(request, 2);
  calls[0]?.answer({ failure: "etcd is gone" });
  assert.equal(exchange.answer.errorCode, errorCode.UNKNOWN_SERVER_ERROR);
  assert.deepEqual(exchange.answer.replicaElectionResults, named(errorCode.UNKNOWN_SERVER_ERROR, "etcd is gone"));
});

Deno.test("handleElectLeaders() refuses an unknown kind of election, but not a request that names nothing", () => {
  const { exchange, calls } = handle({ ...request, electionType: 2 }, 1);
  assert.deepEqual(calls, []);
  assert.equal(exchange.answer.errorCode, errorCode.INVALID_REQUEST);
  const said = "Unknown election type 2";
  assert.deepEqual(exchange.answer.replicaElectionResults, named(errorCode.INVALID_REQUEST, said));
  assert.notEqual(said, errorMessage(errorCode.INVALID_REQUEST));
  const empty = handle({ ...request, electionType: 2, topicPartitions: [] }, 1);
  assert.deepEqual([empty.calls, empty.exchange.answer.errorCode], [[], 0]);
});
