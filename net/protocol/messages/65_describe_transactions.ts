/**
 * DescribeTransactions, API key 65: the state of transactional ids (KIP-664). Plain data. Source: Kafka 4.3
 * DescribeTransactionsRequest.json, DescribeTransactionsResponse.json.
 *
 * v0 flexible.
 */
import { array, type Encodable, field, type Infer, int16, int32, int64, message, string, struct } from "../schema.ts";

/** The request. */
export const describeTransactionsRequest = message({ apiKey: 65, versions: "0", flexible: "0+" }, {
  transactionalIds: field(array(string), "0+"),
});

const transactionState = struct({
  errorCode: field(int16, "0+"),
  transactionalId: field(string, "0+"),
  transactionState: field(string, "0+", { default: "" }),
  transactionTimeoutMs: field(int32, "0+", { default: 0 }),
  transactionStartTimeMs: field(int64, "0+", { default: 0 }),
  producerId: field(int64, "0+", { default: 0 }),
  producerEpoch: field(int16, "0+", { default: 0 }),
  topics: field(
    array(struct({ topic: field(string, "0+"), partitions: field(array(int32), "0+") })),
    "0+",
    { default: [] },
  ),
});

/** The response. */
export const describeTransactionsResponse = message({ apiKey: 65, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  transactionStates: field(array(transactionState), "0+"),
});

/** A decoded request. */
export type DescribeTransactionsRequest = Infer<typeof describeTransactionsRequest>;
/** A response to be encoded. */
export type DescribeTransactionsResponse = Encodable<typeof describeTransactionsResponse>;
/** One transactional id of it. */
export type DescribedTransaction = Encodable<typeof transactionState>;
