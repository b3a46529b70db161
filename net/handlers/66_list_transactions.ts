/**
 * ListTransactions, API key 66: the transactional ids that this broker coordinates (KIP-664). There are no transactions, so the list is
 * empty; what is wrong with the filters is said as in Kafka.
 *
 * v0 flexible · v1 duration (KIP-994) · v2 pattern of ids (KIP-1152).
 *
 * A pattern is checked by the main isolate (partitions/metadata/changes/id_patterns.ts).
 *
 * Not done: transactions.
 */
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ListTransactionsRequest,
  listTransactionsRequest,
  type ListTransactionsResponse,
  listTransactionsResponse,
} from "../protocol/messages/66_list_transactions.ts";
import { api } from "../requests/api.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { isFailure } from "../shards/shard_messages.ts";

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
  { stateFilters, transactionalIdPattern: pattern }: ListTransactionsRequest,
  exchange: Exchange<ListTransactionsResponse>,
  { control }: ShardServices,
): void {
  const unknownStateFilters = [...new Set(stateFilters)].filter((state) => !STATES.has(state));
  if (pattern === null || pattern === "") return exchange.respond({ unknownStateFilters });
  askControl({ name: "checkPattern", args: { pattern } }, { control, exchange }, (result) => {
    if (isFailure(result)) return exchange.respond({ errorCode: errorCode.UNKNOWN_SERVER_ERROR });
    exchange.respond(result.isValid ? { unknownStateFilters } : { errorCode: errorCode.INVALID_REGULAR_EXPRESSION });
  });
}
