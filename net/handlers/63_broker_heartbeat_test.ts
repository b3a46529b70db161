import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { BrokerHeartbeatRequest, BrokerHeartbeatResponse } from "../protocol/messages/63_broker_heartbeat.ts";
import { handleBrokerHeartbeat } from "./63_broker_heartbeat.ts";
import { context, servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const request: BrokerHeartbeatRequest = {
  brokerId: 2,
  brokerEpoch: 2 ** 40,
  currentMetadataOffset: 2 ** 41,
  wantFence: false,
  wantShutDown: true,
  offlineLogDirs: [],
  cordonedLogDirs: null,
};

for (const version of servedVersions(63)) {
  Deno.test(`handleBrokerHeartbeat() v${version} passes on the heartbeat, and answers what the controller says`, () => {
    for (const [isFenced, shouldStop] of [[true, false], [true, true], [false, false]] as const) {
      const { services, calls } = testServices();
      const exchange = new WireExchange<BrokerHeartbeatResponse>(63, version, context({ brokerId: 2 }));
      handleBrokerHeartbeat(request, exchange, services);
      const heartbeat = { broker: 2, brokerEpoch: 2 ** 40, revision: 2 ** 41, wantsStop: true };
      assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["brokerHeartbeat", heartbeat]]);
      calls[0]?.answer({ errorCode: errorCode.NONE, isFenced, shouldStop });
      assert.deepEqual(exchange.answer, {
        throttleTimeMs: 0,
        errorCode: errorCode.NONE,
        isCaughtUp: !isFenced,
        isFenced,
        shouldShutDown: shouldStop,
      });
    }
  });
}

Deno.test("handleBrokerHeartbeat() asks nobody for a connection that has not proved to be of that broker", () => {
  for (const brokerId of [null, 1, 3, -1]) {
    const { services, calls } = testServices();
    const exchange = new WireExchange<BrokerHeartbeatResponse>(63, 2, context({ brokerId }));
    handleBrokerHeartbeat(request, exchange, services);
    const { errorCode: code, isFenced, shouldShutDown } = exchange.answer;
    assert.deepEqual([code, isFenced, shouldShutDown], [errorCode.CLUSTER_AUTHORIZATION_FAILED, true, false]);
    assert.equal(calls.length, 0);
  }
});

Deno.test("handleBrokerHeartbeat() answers UNKNOWN_SERVER_ERROR when the control plane has failed", () => {
  const { services, calls } = testServices();
  const exchange = new WireExchange<BrokerHeartbeatResponse>(63, 2, context({ brokerId: 2 }));
  handleBrokerHeartbeat(request, exchange, services);
  calls[0]?.answer({ failure: "the store is gone" });
  assert.equal(exchange.answer.errorCode, errorCode.UNKNOWN_SERVER_ERROR);
});
