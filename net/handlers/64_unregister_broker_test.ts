import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { UnregisterBrokerResponse } from "../protocol/messages/64_unregister_broker.ts";
import { handleUnregisterBroker } from "./64_unregister_broker.ts";
import { testServices, WireExchange } from "./handler_testing.ts";

/** What a client is answered to whom the control plane said this. */
function answerTo(result: unknown) {
  const { services, calls } = testServices();
  const exchange = new WireExchange<UnregisterBrokerResponse>(64, 0);
  handleUnregisterBroker({ brokerId: 7 }, exchange, services);
  assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["unregisterBroker", { broker: 7 }]]);
  assert.equal(exchange.isAnswered, false);
  calls[0]?.answer(result);
  return [exchange.answer.errorCode, exchange.answer.errorMessage];
}

Deno.test("handleUnregisterBroker() asks the control plane, and answers what it says", () => {
  assert.deepEqual(answerTo({ errorCode: 0, errorMessage: null }), [0, null]);
  const unknown = [errorCode.BROKER_ID_NOT_REGISTERED, "Broker ID 7 is not currently registered"];
  assert.deepEqual(answerTo({ errorCode: unknown[0], errorMessage: unknown[1] }), unknown);
});

Deno.test("handleUnregisterBroker() answers an error when the control plane failed", () => {
  assert.deepEqual(answerTo({ failure: "etcd is gone" }), [errorCode.UNKNOWN_SERVER_ERROR, "etcd is gone"]);
});
