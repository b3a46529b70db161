import assert from "node:assert/strict";
import { brokerOfUserName, brokerUserName } from "./broker_users.ts";

Deno.test("brokerOfUserName() reads what brokerUserName() writes, and no other name", () => {
  for (const nodeId of [0, 1, 42, 2 ** 31 - 1]) assert.equal(brokerOfUserName(brokerUserName(nodeId)), nodeId);
  const others = [
    "",
    "broker",
    "broker-",
    "broker--1",
    "broker-01",
    "broker-1 ",
    " broker-1",
    "broker-1e3",
    "Broker-1",
  ];
  for (const name of [...others, "broker-2147483648", "broker-99999999999", "broker-1\n", "admin"]) {
    assert.equal(brokerOfUserName(name), null, name);
  }
});
