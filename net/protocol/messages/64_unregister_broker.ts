/**
 * UnregisterBroker, API key 64: forgets a broker that has left for good (KIP-631). Plain data. Source: Kafka 4.3
 * UnregisterBrokerRequest.json, UnregisterBrokerResponse.json.
 *
 * v0 flexible.
 */
import { type Encodable, field, type Infer, int16, int32, message, string } from "../schema.ts";

/** The request. */
export const unregisterBrokerRequest = message({ apiKey: 64, versions: "0", flexible: "0+" }, {
  brokerId: field(int32, "0+"),
});

/** The response. */
export const unregisterBrokerResponse = message({ apiKey: 64, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
});

/** A decoded request. */
export type UnregisterBrokerRequest = Infer<typeof unregisterBrokerRequest>;
/** A response to be encoded. */
export type UnregisterBrokerResponse = Encodable<typeof unregisterBrokerResponse>;
