import assert from "node:assert/strict";
import { unpackUsers } from "../../partitions/metadata/settings/packed_settings.ts";
import { upsertion } from "../../partitions/metadata/settings/settings_testing.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
} from "../protocol/messages/51_alter_user_scram_credentials.ts";
import { alterUserScramCredentialsApi, handleAlterUserScramCredentials } from "./51_alter_user_scram_credentials.ts";
import { testServices, WireExchange } from "./handler_testing.ts";

const request: AlterUserScramCredentialsRequest = {
  deletions: [{ name: "b", mechanism: 1 }, { name: "a", mechanism: 2 }],
  upsertions: [upsertion("a"), upsertion("ü", { mechanism: 2 })],
};

function handle(asked: AlterUserScramCredentialsRequest) {
  const { services, calls } = testServices();
  const exchange = new WireExchange<AlterUserScramCredentialsResponse>(51, 0);
  handleAlterUserScramCredentials(asked, exchange, services);
  return { exchange, calls };
}

Deno.test("handleAlterUserScramCredentials() asks the control plane, and answers what it says", () => {
  const { exchange, calls: [call] } = handle(request);
  const { packed } = call?.args as { packed: Uint8Array<ArrayBuffer> };
  assert.deepEqual([call?.name, unpackUsers(packed)], ["alterUserScramCredentials", request]);
  const results = [{ user: "ü", errorCode: 0, errorMessage: null }, { user: "b", errorCode: 91, errorMessage: "why" }];
  call?.answer(results);
  assert.deepEqual(exchange.answer.results, results);
});

Deno.test("handleAlterUserScramCredentials() refuses every user once when the control plane failed, and answers nothing at once", () => {
  const { exchange, calls: [call] } = handle(request);
  call?.answer({ failure: "etcd is gone" });
  const refusal = { errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: "etcd is gone" };
  assert.deepEqual(exchange.answer.results, ["a", "b", "ü"].map((user) => ({ user, ...refusal })));
  const { exchange: empty, calls } = handle({ deletions: [], upsertions: [] });
  assert.deepEqual([empty.answer.results, calls], [[], []]);
});

Deno.test("AlterUserScramCredentials needs the right to change the cluster", () => {
  assert.equal(alterUserScramCredentialsApi.needs?.operation, "ALTER");
  const exchange = new WireExchange<AlterUserScramCredentialsResponse>(51, 0);
  exchange.respond(
    alterUserScramCredentialsApi.needs?.refuse(request as never, 0) as AlterUserScramCredentialsResponse,
  );
  const codes = exchange.answer.results.map(({ user, errorCode: code }) => [user, code]);
  assert.deepEqual(codes, ["a", "b", "ü"].map((user) => [user, errorCode.CLUSTER_AUTHORIZATION_FAILED]));
});
