/**
 * ListTransactions, API key 66: the transactional ids that a broker coordinates (KIP-664). Plain data. Source: Kafka 4.3
 * ListTransactionsRequest.json, ListTransactionsResponse.json.
 *
 * v0 flexible · v1 duration (KIP-994) · v2 pattern of ids (KIP-1152).
 */
import { array, type Encodable, field, type Infer, int16, int32, int64, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const listTransactionsRequest = message({ apiKey: 66, versions: "0-2", flexible: "0+" }, {
  stateFilters: field(array(string), "0+"), // empty: any
  producerIdFilters: field(array(int64), "0+"), // empty: any
  durationFilter: field(int64, "1+", { default: -1 }), // ms, negative: any
  transactionalIdPattern: field(string, "2+", { nullable: "2+", default: null }), // null, empty: any
});

/** The response, in all its versions. */
export const listTransactionsResponse = message({ apiKey: 66, versions: "0-2", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+", { default: 0 }),
  unknownStateFilters: field(array(string), "0+", { default: [] }),
  transactionStates: field(
    array(struct({
      transactionalId: field(string, "0+"),
      producerId: field(int64, "0+"),
      transactionState: field(string, "0+"),
    })),
    "0+",
    { default: [] },
  ),
});

/** A decoded request. */
export type ListTransactionsRequest = Infer<typeof listTransactionsRequest>;
/** A response to be encoded. */
export type ListTransactionsResponse = Encodable<typeof listTransactionsResponse>;
