import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { FindCoordinatorResponse } from "../protocol/messages/10_find_coordinator.ts";
import { handleFindCoordinator } from "./10_find_coordinator.ts";
import { servedVersions, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

const offsets = topicImage("__consumer_offsets", TOPIC_ID, 50);
const { services } = testServices([offsets]);

/** Code, message and address of one key in each version's own shape. */
function shapeOf({ coordinators, ...single }: FindCoordinatorResponse, version: number) {
  assert.equal(coordinators?.length, version >= 4 ? 1 : 0);
  const found = version >= 4 ? coordinators?.[0] : single;
  return {
    code: found?.errorCode ?? 0,
    message: found?.errorMessage,
    address: [found?.nodeId, found?.host, found?.port],
  };
}

function find(keyType: number, version: number, asked = services) {
  const exchange = new WireExchange<FindCoordinatorResponse>(10, version);
  handleFindCoordinator({ key: "k", keyType, coordinatorKeys: ["k"] }, exchange, asked);
  return shapeOf(exchange.answer, version);
}

for (const version of servedVersions(10)) {
  Deno.test(`handleFindCoordinator() v${version} names this broker for a group, at the address that the client reached`, () => {
    const { code, message, address } = find(0, version);
    assert.deepEqual([code, address], [errorCode.NONE, [1, "192.0.2.7", 19092]]);
    assert.equal(message, version === 0 ? null : version < 4 ? "NONE" : "");
  });

  Deno.test(`handleFindCoordinator() v${version} creates the offsets topic for the first group, and answers then`, () => {
    const { services: empty, calls } = testServices();
    const exchange = new WireExchange<FindCoordinatorResponse>(10, version);
    handleFindCoordinator({ key: "k", keyType: 0, coordinatorKeys: ["k"] }, exchange, empty);
    assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["autoCreateTopics", {
      names: ["__consumer_offsets"],
    }]]);
    assert.ok(!exchange.isAnswered);
    empty.image.apply({ changed: [offsets], deletedIds: [] });
    calls[0]!.answer([{ name: "__consumer_offsets", errorCode: 0 }]);
    assert.deepEqual(shapeOf(exchange.answer, version).address, [1, "192.0.2.7", 19092]);
  });

  Deno.test(`handleFindCoordinator() v${version} has no coordinator when the topic cannot be created, and clients try again`, () => {
    const { services: empty, calls } = testServices();
    const exchange = new WireExchange<FindCoordinatorResponse>(10, version);
    handleFindCoordinator({ key: "k", keyType: 0, coordinatorKeys: ["k"] }, exchange, empty);
    calls[0]!.answer({ failure: "the store is gone" });
    const { code, address } = shapeOf(exchange.answer, version);
    assert.deepEqual([code, address], [errorCode.COORDINATOR_NOT_AVAILABLE, [-1, "", -1]]);
  });

  Deno.test(`handleFindCoordinator() v${version} refuses transactional ids permanently, with the reason`, () => {
    const { code, message } = find(1, version, testServices().services);
    assert.equal(code, errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if (version >= 1) assert.match(message ?? "", /Transactions are not supported/);
  });
}

Deno.test("handleFindCoordinator() knows share groups from v6, and no other kind of key", () => {
  assert.equal(find(2, 5).code, errorCode.INVALID_REQUEST);
  assert.equal(find(2, 6).code, errorCode.COORDINATOR_NOT_AVAILABLE);
  assert.equal(find(3, 6).code, errorCode.INVALID_REQUEST);
  assert.equal(find(-1, 3).code, errorCode.INVALID_REQUEST);
});

Deno.test("handleFindCoordinator() answers every key of a batch, by its key", () => {
  const exchange = new WireExchange<FindCoordinatorResponse>(10, 4);
  handleFindCoordinator({ key: "", keyType: 0, coordinatorKeys: ["x", "y", "x"] }, exchange, services);
  assert.deepEqual(exchange.answer.coordinators?.map(({ key }) => key), ["x", "y", "x"]);
});
