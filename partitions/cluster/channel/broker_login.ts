/**
 * Logs in to another broker with the secret of the cluster, and has it prove that it knows the secret, too. Two round trips. The main isolate.
 */
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import { saslHandshakeRequest, saslHandshakeResponse } from "../../../net/protocol/messages/17_sasl_handshake.ts";
import {
  saslAuthenticateRequest,
  type SaslAuthenticateResponse,
  saslAuthenticateResponse,
} from "../../../net/protocol/messages/36_sasl_authenticate.ts";
import { ScramClient } from "../../../net/protocol/scram/scram.ts";
import { brokerUserName } from "../../authentication/broker_users.ts";
import type { SaltedSecret } from "../../authentication/salted_secret.ts";
import { SCRAM_SHA_256, scramNonce, sha256 } from "../../authentication/scram_sha256.ts";
import type { BrokerConnection } from "./broker_connection.ts";

const HANDSHAKE = { name: "SaslHandshake", version: 1, request: saslHandshakeRequest, response: saslHandshakeResponse };
const AUTHENTICATE = {
  name: "SaslAuthenticate",
  version: 2,
  request: saslAuthenticateRequest,
  response: saslAuthenticateResponse,
};

/** Who logs in. */
export interface Login {
  readonly nodeId: number;
  readonly secret: SaltedSecret;
}

/**
 * Logs in.
 * @throws ChannelRefused after it has ended the connection, when either side does not accept the other
 */
export async function logIn(connection: BrokerConnection, { nodeId, secret }: Login): Promise<void> {
  const client = new ScramClient(sha256, { userName: brokerUserName(nodeId), nonce: scramNonce() });
  // Sent together: the other side answers them in order.
  const [handshake, first] = await Promise.all([
    connection.request(HANDSHAKE, { mechanism: SCRAM_SHA_256 }),
    connection.request(AUTHENTICATE, { authBytes: client.first }),
  ]);
  if (handshake.errorCode !== errorCode.NONE) {
    throw connection.end(
      "lost",
      `it does not recognise brokers (${errorName(handshake.errorCode)}): has it no secret?`,
    );
  }
  const salting = client.read(tokenOf(first, connection));
  if (salting === null) throw connection.end("lost", "its challenge is not one of SCRAM-SHA-256");
  const proof = client.prove(await secret.salted(salting));
  const last = await connection.request(AUTHENTICATE, { authBytes: proof });
  if (client.accepts(tokenOf(last, connection))) return;
  throw connection.end("lost", "it has not shown that it knows the secret of this cluster");
}

function tokenOf({ errorCode: code, authBytes }: SaslAuthenticateResponse, connection: BrokerConnection): Uint8Array {
  if (code === errorCode.NONE) return authBytes;
  if (code === errorCode.SASL_AUTHENTICATION_FAILED) {
    throw connection.end(
      "secret",
      "it has another secret: barnabas.inter.broker.secret must be the same on all brokers of a cluster",
    );
  }
  throw connection.end("lost", `it refused the login with ${errorName(code)}`);
}
