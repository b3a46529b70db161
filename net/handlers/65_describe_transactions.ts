/**
 * DescribeTransactions, API key 65: the state of transactional ids (KIP-664). There are no transactions, so none exists.
 *
 * v0 flexible.
 *
 * Not done: transactions.
 */
import { errorCode } from "../protocol/error_codes.ts";
import { MadeList } from "../protocol/made_list.ts";
import {
  type DescribedTransaction,
  type DescribeTransactionsRequest,
  describeTransactionsRequest,
  type DescribeTransactionsResponse,
  describeTransactionsResponse,
} from "../protocol/messages/65_describe_transactions.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import type { Exchange } from "../requests/handler.ts";

/** The row of DescribeTransactions. */
export const describeTransactionsApi = api({
  key: 65,
  name: "DescribeTransactions",
  served: [0, 0],
  request: describeTransactionsRequest,
  response: describeTransactionsResponse,
  elementsMax: 1 << 13, // transactional ids
  isReadOnly: true,
  handle: handleDescribeTransactions,
});

/** Handles DescribeTransactions. */
export function handleDescribeTransactions(
  { transactionalIds }: DescribeTransactionsRequest,
  exchange: Exchange<DescribeTransactionsResponse>,
): void {
  const { context } = exchange;
  const transactionStates = MadeList.from(transactionalIds, (transactionalId): DescribedTransaction => {
    return { transactionalId, errorCode: codeOf(transactionalId, context) };
  });
  exchange.respond({ transactionStates: transactionStates.asArray });
}

function codeOf(transactionalId: string, context: ConnectionContext): number {
  if (!authorize(context, "DESCRIBE", { type: "TRANSACTIONAL_ID", name: transactionalId })) {
    return errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  return transactionalId === "" ? errorCode.INVALID_REQUEST : errorCode.TRANSACTIONAL_ID_NOT_FOUND;
}
