import assert from "node:assert/strict";
import type { ScramUser } from "../../partitions/mod.ts";
import { errorCode, errorName } from "../protocol/error_codes.ts";
import type { DescribeUserScramCredentialsResponse } from "../protocol/messages/50_describe_user_scram_credentials.ts";
import {
  describeUserScramCredentialsApi,
  handleDescribeUserScramCredentials,
} from "./50_describe_user_scram_credentials.ts";
import { testServices, WireExchange } from "./handler_testing.ts";

const scramUsers: readonly ScramUser[] = [
  { name: "a", iterations: { "SCRAM-SHA-512": 5000, "SCRAM-SHA-256": 4096 } },
  { name: "b", iterations: { "SCRAM-SHA-256": 8192 } },
];

function describe(names: readonly string[] | null, users = scramUsers) {
  const { services } = testServices();
  services.image.apply({ changed: [], deletedIds: [], scramUsers: users });
  const exchange = new WireExchange<DescribeUserScramCredentialsResponse>(50, 0);
  handleDescribeUserScramCredentials({ users: names?.map((name) => ({ name })) ?? null }, exchange, services);
  return exchange.answer;
}

Deno.test("handleDescribeUserScramCredentials() answers mechanisms and iterations of all users, or of those that are named", () => {
  const credentials = [
    ["a", [{ mechanism: 1, iterations: 4096 }, { mechanism: 2, iterations: 5000 }]],
    ["b", [{ mechanism: 1, iterations: 8192 }]],
  ];
  for (const names of [null, [], ["a", "b"]]) {
    const { errorCode: code, results } = describe(names);
    assert.deepEqual([code, results.map(({ user, credentialInfos }) => [user, credentialInfos])], [0, credentials]);
  }
  assert.deepEqual(describe(null, []).results, []);
});

Deno.test("handleDescribeUserScramCredentials() refuses unknown users, and those that are named twice", () => {
  const { results } = describe(["b", "nobody", "b", "a"]);
  const refused = results.map(({ user, errorCode: code, errorMessage }) =>
    `${user}: ${errorName(code)} ${errorMessage}`
  );
  assert.deepEqual(refused, [
    "b: DUPLICATE_RESOURCE Cannot describe SCRAM credentials for the same user twice in a single request: b",
    "nobody: RESOURCE_NOT_FOUND Attempt to describe a user credential that does not exist: nobody",
    "a: NONE ",
  ]);
});

Deno.test("DescribeUserScramCredentials needs the right to describe the cluster", () => {
  assert.equal(describeUserScramCredentialsApi.needs?.operation, "DESCRIBE");
  const request = { users: [{ name: "a" }] };
  const refusal = describeUserScramCredentialsApi.needs?.refuse(request as never, 0);
  const { errorCode: code, results } = refusal as DescribeUserScramCredentialsResponse;
  const denied = errorCode.CLUSTER_AUTHORIZATION_FAILED;
  assert.deepEqual([code, results.map((result) => [result.user, result.errorCode])], [denied, [["", denied]]]);
});
