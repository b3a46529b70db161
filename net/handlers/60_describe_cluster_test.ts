import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import { OPERATIONS_NOT_REQUESTED } from "../protocol/messages/03_metadata.ts";
import type { DescribeClusterRequest, DescribeClusterResponse } from "../protocol/messages/60_describe_cluster.ts";
import { handleDescribeCluster } from "./60_describe_cluster.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const { services } = testServices();

function handle(version: number, changes: Partial<DescribeClusterRequest> = {}): DescribeClusterResponse {
  const exchange = new WireExchange<DescribeClusterResponse>(60, version);
  const request = { includeClusterAuthorizedOperations: false, endpointType: 1, includeFencedBrokers: false };
  handleDescribeCluster({ ...request, ...changes }, exchange, services);
  return exchange.answer;
}

for (const version of servedVersions(60)) {
  Deno.test(`handleDescribeCluster() v${version} returns the cluster, its controller and this broker`, () => {
    const answer = handle(version, { includeFencedBrokers: version >= 2 });
    assert.deepEqual([answer.errorCode, answer.clusterId, answer.controllerId], [errorCode.NONE, "test-cluster", 1]);
    assert.deepEqual(answer.brokers, [
      { brokerId: 1, host: "192.0.2.7", port: 19092, rack: null, isFenced: false },
    ]);
    assert.equal(answer.clusterAuthorizedOperations, OPERATIONS_NOT_REQUESTED);
    const asked = handle(version, { includeClusterAuthorizedOperations: true });
    assert.equal(asked.clusterAuthorizedOperations, 0b1_1111_1010_0000);
  });
}

Deno.test("handleDescribeCluster() is an endpoint of brokers: controllers are mismatched, other types unknown", () => {
  const controllers = handle(1, { endpointType: 2 });
  assert.equal(controllers.errorCode, errorCode.MISMATCHED_ENDPOINT_TYPE);
  assert.match(controllers.errorMessage ?? "", /endpoint of type BROKER/);
  const unknown = handle(2, { endpointType: 9 });
  assert.equal(unknown.errorCode, errorCode.UNSUPPORTED_ENDPOINT_TYPE);
  assert.deepEqual(unknown.brokers, []);
});
