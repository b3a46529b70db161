/**
 * SaslHandshake, API key 17: begins to authenticate a connection (KIP-43, KIP-152). There is one mechanism, SCRAM-SHA-256, by which
 * brokers of a cluster prove who they are. Clients need not authenticate on any listener.
 *
 * v1 tokens follow in SaslAuthenticate. A mechanism that does not exist is answered with UNSUPPORTED_SASL_MECHANISM and the list of
 * those that do, and the connection is closed. A broker without mechanisms, and a connection that is authenticated, answer
 * ILLEGAL_SASL_STATE, as Kafka does on a listener without SASL (KafkaApis.handleSaslHandshakeRequest).
 *
 * Not done: in v0 tokens follow without headers, which is answered with ILLEGAL_SASL_STATE; an authenticated connection cannot
 * authenticate again (KIP-368).
 */
import { api } from "../requests/api.ts";
import { ANONYMOUS } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type SaslHandshakeRequest,
  saslHandshakeRequest,
  type SaslHandshakeResponse,
  saslHandshakeResponse,
} from "../protocol/messages/17_sasl_handshake.ts";

/** The row of SaslHandshake. */
export const saslHandshakeApi = api({
  key: 17,
  name: "SaslHandshake",
  served: [0, 1],
  request: saslHandshakeRequest,
  response: saslHandshakeResponse,
  isTimeFree: true,
  isReadOnly: true, // changes only what is known of its connection
  handle: handleSaslHandshake,
});

/** First version whose tokens follow in SaslAuthenticate. */
const AUTHENTICATE_VERSION = 1;

/** Handles SaslHandshake. */
export function handleSaslHandshake(
  { mechanism }: SaslHandshakeRequest,
  exchange: Exchange<SaslHandshakeResponse>,
  { authentication }: Pick<ShardServices, "authentication">,
): void {
  const { context, apiVersion } = exchange;
  const { mechanisms } = authentication;
  if (mechanisms.length === 0 || context.principal !== ANONYMOUS || apiVersion < AUTHENTICATE_VERSION) {
    return exchange.respond({ errorCode: errorCode.ILLEGAL_SASL_STATE, mechanisms: [] });
  }
  context.sasl = authentication.begin(mechanism);
  if (context.sasl !== null) return exchange.respond({ errorCode: errorCode.NONE, mechanisms });
  exchange.respond({ errorCode: errorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms });
  exchange.close("the client asks for a SASL mechanism that is not supported");
}
