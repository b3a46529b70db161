import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from "../protocol/messages/45_alter_partition_reassignments.ts";
import { handleAlterPartitionReassignments } from "./45_alter_partition_reassignments.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const request: AlterPartitionReassignmentsRequest = {
  timeoutMs: 1000,
  allowReplicationFactorChange: false,
  topics: [{ name: "t", partitions: [{ partitionIndex: 1, replicas: [1, 2] }, { partitionIndex: 0, replicas: null }] }],
};

function handle(asked: AlterPartitionReassignmentsRequest, version: number) {
  const { services, calls } = testServices();
  const exchange = new WireExchange<AlterPartitionReassignmentsResponse>(45, version);
  handleAlterPartitionReassignments(asked, exchange, services);
  return { exchange, calls };
}

for (const version of servedVersions(45)) {
  Deno.test(`handleAlterPartitionReassignments() v${version} asks the control plane, and answers what it says`, () => {
    const { exchange, calls } = handle(request, version);
    assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["alterReassignments", { request }]]);
    const partitions = [{ partitionIndex: 1, errorCode: 0, errorMessage: null }, {
      partitionIndex: 0,
      errorCode: errorCode.NO_REASSIGNMENT_IN_PROGRESS,
      errorMessage: null,
    }];
    calls[0]?.answer({ allowReplicationFactorChange: false, responses: [{ name: "t", partitions }] });
    const { errorCode: code, errorMessage, responses } = exchange.answer;
    assert.deepEqual([code, errorMessage, responses], [0, null, [{ name: "t", partitions }]]);
  });
}

Deno.test("handleAlterPartitionReassignments() refuses the request and every partition when the control plane failed", () => {
  const { exchange, calls } = handle(request, 1);
  calls[0]?.answer({ failure: "etcd is gone" });
  const refusal = { errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: "etcd is gone" };
  const { errorCode: code, errorMessage, responses } = exchange.answer;
  assert.deepEqual({ errorCode: code, errorMessage }, refusal);
  const partitions = [{ partitionIndex: 1, ...refusal }, { partitionIndex: 0, ...refusal }];
  assert.deepEqual(responses, [{ name: "t", partitions }]);
});

Deno.test("handleAlterPartitionReassignments() answers a request that names nothing at once, as Kafka does", () => {
  const { exchange, calls } = handle({ ...request, topics: [] }, 1);
  assert.deepEqual([calls, exchange.answer.errorMessage, exchange.answer.responses], [[], "", []]);
});
