/**
 * SaslHandshake, API key 17: a client chooses how it authenticates. Plain data. Source: Kafka 4.3 SaslHandshakeRequest.json,
 * SaslHandshakeResponse.json.
 *
 * v0 tokens follow without headers (KIP-43) · v1 tokens follow in SaslAuthenticate (KIP-152). Never flexible (KAFKA-9577).
 */
import { array, type Encodable, field, type Infer, int16, message, string } from "../schema.ts";

/** The request, in all its versions. */
export const saslHandshakeRequest = message({ apiKey: 17, versions: "0-1", flexible: "none" }, {
  mechanism: field(string, "0+"),
});

/** The response, in all its versions. */
export const saslHandshakeResponse = message({ apiKey: 17, versions: "0-1", flexible: "none" }, {
  errorCode: field(int16, "0+"),
  mechanisms: field(array(string), "0+"),
});

/** What a client asks. */
export type SaslHandshakeRequest = Infer<typeof saslHandshakeRequest>;
/** What the broker answers. */
export type SaslHandshakeResponse = Encodable<typeof saslHandshakeResponse>;
