/**
 * SaslAuthenticate, API key 36: a token of the mechanism, and the broker's answer to it (KIP-152). Plain data. Source: Kafka 4.3
 * SaslAuthenticateRequest.json, SaslAuthenticateResponse.json.
 *
 * v1 lifetime of the session (KIP-368) · v2 flexible (KIP-482).
 */
import { bytes, type Encodable, field, type Infer, int16, int64, message, string } from "../schema.ts";

/** The request, in all its versions. */
export const saslAuthenticateRequest = message({ apiKey: 36, versions: "0-2", flexible: "2+" }, {
  authBytes: field(bytes, "0+"),
});

/** The response, in all its versions. */
export const saslAuthenticateResponse = message({ apiKey: 36, versions: "0-2", flexible: "2+" }, {
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  authBytes: field(bytes, "0+"),
  sessionLifetimeMs: field(int64, "1+", { default: 0, ignorable: true }), // 0 = no limit
});

/** What a client asks. */
export type SaslAuthenticateRequest = Infer<typeof saslAuthenticateRequest>;
/** What the broker answers. */
export type SaslAuthenticateResponse = Encodable<typeof saslAuthenticateResponse>;
