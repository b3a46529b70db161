import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { FindCoordinatorResponse } from "../protocol/messages/10_find_coordinator.ts";
import { handleFindCoordinator } from "./10_find_coordinator.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const { services } = testServices();

/** Error code and message of one key in each version's own shape. */
function find(keyType: number, version: number): [code: number, message: string | null | undefined, nodeId: number] {
  const exchange = new WireExchange<FindCoordinatorResponse>(10, version);
  handleFindCoordinator({ key: "k", keyType, coordinatorKeys: ["k"] }, exchange, services);
  const { coordinators, ...single } = exchange.answer;
  const found = version >= 4 ? coordinators?.[0] : single;
  assert.equal(coordinators?.length, version >= 4 ? 1 : 0);
  return [found?.errorCode ?? 0, found?.errorMessage, found?.nodeId ?? 0];
}

for (const version of servedVersions(10)) {
  Deno.test(`handleFindCoordinator() v${version} has no coordinator for a group, and lets clients try again`, () => {
    const [code, message, nodeId] = find(0, version);
    assert.deepEqual([code, nodeId], [errorCode.COORDINATOR_NOT_AVAILABLE, -1]);
    assert.equal(typeof message === "string" && message !== "", version >= 1);
  });

  Deno.test(`handleFindCoordinator() v${version} refuses transactional ids for good and says why`, () => {
    const [code, message] = find(1, version);
    assert.equal(code, errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if (version >= 1) assert.match(message ?? "", /Transactions are not supported/);
  });
}

Deno.test("handleFindCoordinator() knows share groups from v6, and no other kind of key", () => {
  assert.equal(find(2, 5)[0], errorCode.INVALID_REQUEST);
  assert.equal(find(2, 6)[0], errorCode.COORDINATOR_NOT_AVAILABLE);
  assert.equal(find(3, 6)[0], errorCode.INVALID_REQUEST);
  assert.equal(find(-1, 3)[0], errorCode.INVALID_REQUEST);
});

Deno.test("handleFindCoordinator() answers every key of a batch, by its key", () => {
  const exchange = new WireExchange<FindCoordinatorResponse>(10, 4);
  handleFindCoordinator({ key: "", keyType: 0, coordinatorKeys: ["x", "y", "x"] }, exchange, services);
  assert.deepEqual(exchange.answer.coordinators?.map(({ key }) => key), ["x", "y", "x"]);
});
