/**
 * ListTransactions, API key 66: the transactional ids that this broker coordinates (KIP-664). There are no transactions, so the list is
 * empty; what is wrong with the filters is said as in Kafka.
 *
 * v0 flexible · v1 duration (KIP-994) · v2 pattern of ids (KIP-1152).
 *
 * A pattern is in the syntax of RE2, as in Kafka.
 *
 * Not done: transactions.
 */
import defer * as re2js from "npm:re2js@2.10.0"; // evaluated at the first pattern
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ListTransactionsRequest,
  listTransactionsRequest,
  type ListTransactionsResponse,
  listTransactionsResponse,
} from "../protocol/messages/66_list_transactions.ts";
import { api } from "../requests/api.ts";
import type { Exchange } from "../requests/handler.ts";

/** The row of ListTransactions. */
export const listTransactionsApi = api({
  key: 66,
  name: "ListTransactions",
  served: [0, 2],
  request: listTransactionsRequest,
  response: listTransactionsResponse,
  isReadOnly: true,
  handle: handleListTransactions,
});

/** The states of a transaction (org.apache.kafka.coordinator.transaction.TransactionState). */
const STATES: ReadonlySet<string> = new Set([
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
  "Dead",
  "PrepareEpochFence",
]);

/** Handles ListTransactions. */
export function handleListTransactions(
  { stateFilters, transactionalIdPattern }: ListTransactionsRequest,
  exchange: Exchange<ListTransactionsResponse>,
): void {
  if (transactionalIdPattern && !isPattern(transactionalIdPattern)) {
    return exchange.respond({ errorCode: errorCode.INVALID_REGULAR_EXPRESSION });
  }
  const unknownStateFilters = [...new Set(stateFilters)].filter((state) => !STATES.has(state));
  exchange.respond({ unknownStateFilters });
}

/** Longest pattern, characters, as ids are: parsing ten times as many takes up to 100 ms. Kafka's only limit is that of the request. */
const PATTERN_LENGTH_MAX = 2048;

function isPattern(pattern: string): boolean {
  if (pattern.length > PATTERN_LENGTH_MAX) return false;
  try {
    re2js.RE2JS.compile(pattern);
    return true;
  } catch {
    return false; // It throws for a pattern that it cannot parse.
  }
}
