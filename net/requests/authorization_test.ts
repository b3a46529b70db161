import assert from "node:assert/strict";
import { testContext } from "../reactor/socket_testing.ts";
import { authorize, authorizedOperations, CLUSTER, splitAllowed } from "./authorization.ts";
import type { Authorizer } from "./authorizer.ts";
import { refuseConfigAccess } from "./config_access.ts";

/** Allows what is listed, for example "User:a READ TOPIC t". */
function allowing(...rules: string[]): Authorizer {
  return {
    allows: (principal, operation, { type, name }) => rules.includes(`${principal} ${operation} ${type} ${name}`),
  };
}

Deno.test("authorize() asks the connection's authorizer about its principal", () => {
  const authorizer = allowing("User:a READ TOPIC t");
  const client = (principal: string) => ({ ...testContext(), principal, authorizer });
  assert.ok(authorize(client("User:a"), "READ", { type: "TOPIC", name: "t" }));
  assert.ok(!authorize(client("User:b"), "READ", { type: "TOPIC", name: "t" }));
  assert.ok(!authorize(client("User:a"), "WRITE", { type: "TOPIC", name: "t" }));
  assert.ok(authorize(testContext(), "ALTER", CLUSTER), "without an authorizer everything is allowed");
});

Deno.test("authorizedOperations() has the bits of KIP-430 for allowed operations and no other", () => {
  const authorizer = allowing("User:ANONYMOUS READ TOPIC t", "User:ANONYMOUS DESCRIBE TOPIC t");
  assert.equal(authorizedOperations({ ...testContext(), authorizer }, { type: "TOPIC", name: "t" }), 1 << 3 | 1 << 8);
});

Deno.test("splitAllowed() keeps the order of both parts", () => {
  assert.deepEqual(splitAllowed([1, 2, 3, 4], (item) => item % 2 === 0), { allowed: [2, 4], denied: [1, 3] });
  assert.deepEqual(splitAllowed([], () => true), { allowed: [], denied: [] });
});

Deno.test("splitAllowed() asks about each item once, and copies nothing when all are allowed", () => {
  const items = [1, 2, 3, 4];
  assert.equal(splitAllowed(items, () => true).allowed, items);
  const asked: number[] = [];
  splitAllowed(items, (item) => asked.push(item) !== 2);
  assert.deepEqual(asked, items);
});

Deno.test("refuseConfigAccess() checks the topic, the group, or the cluster for everything else", () => {
  const context = { ...testContext(), authorizer: allowing("User:ANONYMOUS ALTER_CONFIGS TOPIC t") };
  const refusals = [2, 32, 4, 8, 77].map((resourceType) =>
    refuseConfigAccess(context, "ALTER_CONFIGS", { resourceType, resourceName: "t" })
  );
  const [group, cluster] = ["GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"];
  assert.deepEqual(refusals, [null, group, cluster, cluster, cluster]);
});
