import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { SaslAuthenticateResponse } from "../protocol/messages/36_sasl_authenticate.ts";
import type { SaslStep } from "../requests/authentication/authentication.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import { handleSaslAuthenticate } from "./36_sasl_authenticate.ts";
import { ClosableExchange, context, servedVersions, testServices } from "./handler_testing.ts";

const TOKEN = new TextEncoder().encode("of the broker");

/** A connection with an exchange that gives these answers. */
function during(...steps: SaslStep[]) {
  const tokens: string[] = [];
  const answer = (token: Uint8Array) => {
    tokens.push(new TextDecoder().decode(token));
    const step = steps.shift();
    assert.ok(step !== undefined, "an exchange that has ended is not asked again");
    return step;
  };
  return { connection: context({ sasl: { mechanism: "SCRAM-SHA-256", answer } }), tokens };
}

function send(token: string, connection: ConnectionContext, { version = 2, mechanisms = ["SCRAM-SHA-256"] } = {}) {
  const exchange = new ClosableExchange<SaslAuthenticateResponse>(36, version, connection);
  const authentication = { mechanisms, begin: () => null };
  const services = { ...testServices().services, authentication };
  handleSaslAuthenticate({ authBytes: new TextEncoder().encode(token) }, exchange, services);
  return exchange;
}

for (const version of servedVersions(36)) {
  Deno.test(`handleSaslAuthenticate() v${version} passes tokens on, and notes who the client has proved to be`, () => {
    const { connection, tokens } = during(
      { kind: "challenge", token: TOKEN },
      { kind: "authenticated", token: TOKEN, principal: "User:broker-3", brokerId: 3 },
    );
    for (const [token, brokerId] of [["one", null], ["two", 3]] as const) {
      const { answer, closed } = send(token, connection, { version });
      const expected = { errorCode: errorCode.NONE, errorMessage: null, authBytes: TOKEN, sessionLifetimeMs: 0 };
      assert.deepEqual([answer, closed], [expected, []]);
      assert.equal(connection.brokerId, brokerId);
    }
    assert.deepEqual(tokens, ["one", "two"]);
    assert.deepEqual([connection.principal, connection.sasl], ["User:broker-3", null]);
  });

  Deno.test(`handleSaslAuthenticate() v${version} answers a failure with Kafka's sentence, and closes the connection`, () => {
    const { connection } = during({ kind: "challenge", token: TOKEN }, { kind: "failed" });
    send("one", connection, { version });
    const { answer, closed } = send("two", connection, { version });
    assert.equal(answer.errorCode, errorCode.SASL_AUTHENTICATION_FAILED);
    assert.equal(
      answer.errorMessage,
      "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256",
    );
    assert.deepEqual([answer.authBytes.length, closed.length], [0, 1]);
    assert.deepEqual([connection.principal, connection.brokerId, connection.sasl], ["User:ANONYMOUS", null, null]);
  });
}

Deno.test("handleSaslAuthenticate() answers ILLEGAL_SASL_STATE without a handshake, after success, and where nobody can authenticate", () => {
  const late = "SaslAuthenticate request received after successful authentication";
  const early = "SaslAuthenticate request received before a SaslHandshake request";
  const authenticated = context({ principal: "User:broker-1", brokerId: 1 });
  for (
    const [connection, mechanisms, sentence] of [
      [context(), [], late],
      [authenticated, ["SCRAM-SHA-256"], late],
      [context(), ["SCRAM-SHA-256"], early],
    ] as const
  ) {
    const { answer, closed } = send("one", connection, { mechanisms: [...mechanisms] });
    assert.deepEqual([answer.errorCode, answer.errorMessage], [errorCode.ILLEGAL_SASL_STATE, sentence]);
    assert.deepEqual([answer.authBytes.length, closed], [0, []]);
  }
  assert.equal(authenticated.brokerId, 1);
});
