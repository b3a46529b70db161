/**
 * SaslAuthenticate, API key 36: carries the tokens of the mechanism that SaslHandshake has chosen (KIP-152), and notes in the context of the
 * connection who the client has proved to be.
 *
 * v1 lifetime of the session (KIP-368): always 0, no limit · v2 flexible. A failure is answered with SASL_AUTHENTICATION_FAILED and
 * Kafka's sentence, which tells nothing of the reason, and ends the connection: each attempt takes a connection. Without a
 * SaslHandshake before it, or after success, the answer is ILLEGAL_SASL_STATE.
 *
 * Not done: Kafka delays the answer to a failure by `connection.failed.authentication.delay.ms`.
 */
import { api } from "../requests/api.ts";
import { ANONYMOUS } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type SaslAuthenticateRequest,
  saslAuthenticateRequest,
  type SaslAuthenticateResponse,
  saslAuthenticateResponse,
} from "../protocol/messages/36_sasl_authenticate.ts";

/** The row of SaslAuthenticate. */
export const saslAuthenticateApi = api({
  key: 36,
  name: "SaslAuthenticate",
  served: [0, 2],
  request: saslAuthenticateRequest,
  response: saslAuthenticateResponse,
  isTimeFree: true,
  isReadOnly: true, // changes only what is known of its connection
  handle: handleSaslAuthenticate,
});

const NO_TOKEN = new Uint8Array(0);
const TOO_LATE = "SaslAuthenticate request received after successful authentication";
const TOO_EARLY = "SaslAuthenticate request received before a SaslHandshake request";

/** Handles SaslAuthenticate. */
export function handleSaslAuthenticate(
  { authBytes }: SaslAuthenticateRequest,
  exchange: Exchange<SaslAuthenticateResponse>,
  { authentication }: Pick<ShardServices, "authentication">,
): void {
  const { context } = exchange;
  const { sasl } = context;
  if (sasl === null) {
    // Kafka answers this also where nobody has to authenticate.
    const isLate = authentication.mechanisms.length === 0 || context.principal !== ANONYMOUS;
    return exchange.respond(refused(errorCode.ILLEGAL_SASL_STATE, isLate ? TOO_LATE : TOO_EARLY));
  }
  const step = sasl.answer(authBytes);
  if (step.kind !== "challenge") context.sasl = null;
  if (step.kind === "failed") {
    const message =
      `Authentication failed during authentication due to invalid credentials with SASL mechanism ${sasl.mechanism}`;
    exchange.respond(refused(errorCode.SASL_AUTHENTICATION_FAILED, message));
    return exchange.close("the client could not be authenticated");
  }
  if (step.kind === "authenticated") {
    context.principal = step.principal;
    context.brokerId = step.brokerId;
  }
  exchange.respond({ errorCode: errorCode.NONE, errorMessage: null, authBytes: step.token });
}

function refused(code: number, message: string): SaslAuthenticateResponse {
  return { errorCode: code, errorMessage: message, authBytes: NO_TOKEN };
}
