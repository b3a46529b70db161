import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { SaslHandshakeResponse } from "../protocol/messages/17_sasl_handshake.ts";
import type { SaslExchange } from "../requests/authentication/authentication.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import { handleSaslHandshake } from "./17_sasl_handshake.ts";
import { ClosableExchange, context, servedVersions, testServices } from "./handler_testing.ts";

const begun: SaslExchange = { mechanism: "SCRAM-SHA-256", answer: () => ({ kind: "failed" }) };
const authentication = {
  mechanisms: ["SCRAM-SHA-256"],
  begin: (mechanism: string) => mechanism === "SCRAM-SHA-256" ? begun : null,
};

function handle(
  mechanism: string,
  version: number,
  connection: ConnectionContext,
  services: object = { authentication },
) {
  const exchange = new ClosableExchange<SaslHandshakeResponse>(17, version, connection);
  handleSaslHandshake({ mechanism }, exchange, { ...testServices().services, ...services });
  return exchange;
}

for (const version of servedVersions(17)) {
  Deno.test(`handleSaslHandshake() v${version} answers ILLEGAL_SASL_STATE where nobody can authenticate, as Kafka does`, () => {
    const connection = context();
    const { answer, closed } = handle("SCRAM-SHA-256", version, connection, {});
    assert.deepEqual(answer, { errorCode: errorCode.ILLEGAL_SASL_STATE, mechanisms: [] });
    assert.deepEqual([closed, connection.sasl], [[], null]);
  });
}

Deno.test("handleSaslHandshake() begins an exchange in v1, and not in v0, whose tokens have no headers", () => {
  const connection = context();
  assert.deepEqual(handle("SCRAM-SHA-256", 0, connection).answer.errorCode, errorCode.ILLEGAL_SASL_STATE);
  assert.equal(connection.sasl, null);
  const { answer, closed } = handle("SCRAM-SHA-256", 1, connection);
  assert.deepEqual(answer, { errorCode: errorCode.NONE, mechanisms: ["SCRAM-SHA-256"] });
  assert.deepEqual([closed, connection.sasl], [[], begun]);
});

Deno.test("handleSaslHandshake() names the mechanisms to a client that wants another one, and closes its connection", () => {
  const connection = context({ sasl: begun });
  const { answer, closed } = handle("PLAIN", 1, connection);
  assert.deepEqual(answer, { errorCode: errorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: ["SCRAM-SHA-256"] });
  assert.equal(closed.length, 1);
  assert.equal(connection.sasl, null);
});

Deno.test("handleSaslHandshake() begins nothing on a connection that is authenticated", () => {
  const connection = context({ principal: "User:broker-1", brokerId: 1 });
  assert.equal(handle("SCRAM-SHA-256", 1, connection).answer.errorCode, errorCode.ILLEGAL_SASL_STATE);
  assert.deepEqual([connection.principal, connection.brokerId, connection.sasl], ["User:broker-1", 1, null]);
});
