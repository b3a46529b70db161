/** Answers of the handlers of ACLs, of which there are none without an authorizer. */
import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { DescribeAclsResponse } from "../protocol/messages/29_describe_acls.ts";
import type { CreateAclsResponse } from "../protocol/messages/30_create_acls.ts";
import type { DeleteAclsResponse } from "../protocol/messages/31_delete_acls.ts";
import { handleDescribeAcls } from "./29_describe_acls.ts";
import { handleCreateAcls } from "./30_create_acls.ts";
import { handleDeleteAcls } from "./31_delete_acls.ts";
import { ClosableExchange, servedVersions, WireExchange } from "./handler_testing.ts";

const [TOPIC, LITERAL, READ, ALLOW] = [2, 3, 3, 3];
const kinds = { operation: READ, permissionType: ALLOW };
const creation = {
  ...{ resourceType: TOPIC, resourceName: "t", resourcePatternType: LITERAL },
  ...{ principal: "User:alice", host: "*" },
  ...kinds,
};
const filter = {
  ...{ resourceTypeFilter: TOPIC, resourceNameFilter: null, patternTypeFilter: LITERAL },
  ...{ principalFilter: null, hostFilter: null },
  ...kinds,
};

for (const version of servedVersions(29)) {
  Deno.test(`handleDescribeAcls() v${version} says that there is no authorizer`, () => {
    const exchange = new WireExchange<DescribeAclsResponse>(29, version);
    handleDescribeAcls(filter, exchange);
    const { errorCode: code, errorMessage, resources } = exchange.answer;
    assert.deepEqual([code, resources], [errorCode.SECURITY_DISABLED, []]);
    assert.equal(errorMessage, "No Authorizer is configured on the broker");
  });
}

for (const version of servedVersions(30)) {
  Deno.test(`handleCreateAcls() v${version} refuses each ACL, and a request without any not at all`, () => {
    for (const creations of [[], [creation], [creation, { ...creation, resourceName: "" }]]) {
      const exchange = new WireExchange<CreateAclsResponse>(30, version);
      handleCreateAcls({ creations }, exchange);
      const refusal = { errorCode: errorCode.SECURITY_DISABLED, errorMessage: "No Authorizer is configured." };
      assert.deepEqual(exchange.answer.results, creations.map(() => refusal));
    }
  });
}

for (const version of servedVersions(31)) {
  Deno.test(`handleDeleteAcls() v${version} refuses each filter, and a request without any not at all`, () => {
    for (const filters of [[], [filter], [filter, filter]]) {
      const exchange = new WireExchange<DeleteAclsResponse>(31, version);
      handleDeleteAcls({ filters }, exchange);
      const refusal = { errorCode: errorCode.SECURITY_DISABLED, errorMessage: "No Authorizer is configured." };
      assert.deepEqual(exchange.answer.filterResults, filters.map(() => ({ ...refusal, matchingAcls: [] })));
    }
  });
}

Deno.test("the handlers of ACLs close the connection of a client that names a kind UNKNOWN, as Kafka does", () => {
  const unknown = { operation: 0 };
  const described = new ClosableExchange<DescribeAclsResponse>(29, 3);
  handleDescribeAcls({ ...filter, patternTypeFilter: 0 }, described);
  const created = new ClosableExchange<CreateAclsResponse>(30, 3);
  handleCreateAcls({ creations: [creation, { ...creation, ...unknown }] }, created);
  const deleted = new ClosableExchange<DeleteAclsResponse>(31, 3);
  handleDeleteAcls({ filters: [filter, { ...filter, resourceTypeFilter: 0 }] }, deleted);
  for (const { closed, isAnswered } of [described, created, deleted]) {
    assert.deepEqual([closed.length, isAnswered], [1, false]);
  }
});
