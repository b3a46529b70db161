/** Answers of the handlers that describe transactions, of which there are none. */
import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { DescribeTransactionsResponse } from "../protocol/messages/65_describe_transactions.ts";
import type { ListTransactionsRequest, ListTransactionsResponse } from "../protocol/messages/66_list_transactions.ts";
import { handleDescribeTransactions } from "./65_describe_transactions.ts";
import { handleListTransactions } from "./66_list_transactions.ts";
import { context, servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const { INVALID_REQUEST, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, TRANSACTIONAL_ID_NOT_FOUND } = errorCode;

Deno.test("handleDescribeTransactions() finds none of the transactional ids, in their order, and refuses an empty one", () => {
  const describe = (transactionalIds: string[], connection = context()) => {
    const exchange = new WireExchange<DescribeTransactionsResponse>(65, 0, connection);
    handleDescribeTransactions({ transactionalIds }, exchange);
    return exchange.answer.transactionStates.map((state) => [state.transactionalId, state.errorCode]);
  };
  const ids = ["orders", "", "a", "a"];
  const codes = [TRANSACTIONAL_ID_NOT_FOUND, INVALID_REQUEST, TRANSACTIONAL_ID_NOT_FOUND, TRANSACTIONAL_ID_NOT_FOUND];
  assert.deepEqual(describe(ids), ids.map((id, index) => [id, codes[index]]));
  assert.deepEqual(describe([]), []);
  const onlyA = context({ authorizer: { allows: (_principal, _operation, { name }) => name === "a" } });
  assert.deepEqual(describe(["a", "b"], onlyA), [
    ["a", TRANSACTIONAL_ID_NOT_FOUND],
    ["b", TRANSACTIONAL_ID_AUTHORIZATION_FAILED],
  ]);
});

/** Lists transactions. @param checked what the control plane says of a pattern; without one, it must not be asked */
function list(
  changes: Partial<ListTransactionsRequest>,
  { version = 2, checked }: { version?: number; checked?: unknown } = {},
) {
  const { services, calls } = testServices();
  const exchange = new WireExchange<ListTransactionsResponse>(66, version);
  const all = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null };
  const request = { ...all, ...changes };
  handleListTransactions(request, exchange, services);
  const pattern = request.transactionalIdPattern;
  const asked = checked === undefined ? [] : [["checkPattern", { pattern }]];
  assert.deepEqual(calls.map(({ name, args }) => [name, args]), asked);
  calls[0]?.answer(checked);
  const { errorCode: code, unknownStateFilters, transactionStates } = exchange.answer;
  assert.deepEqual(transactionStates, []);
  return { code, unknownStateFilters };
}

for (const version of servedVersions(66)) {
  Deno.test(`handleListTransactions() v${version} lists nothing, and names the states that nobody knows, once each`, () => {
    assert.deepEqual(list({}, { version }), { code: 0, unknownStateFilters: [] });
    const known = ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead"];
    assert.deepEqual(list({ stateFilters: [...known, "PrepareEpochFence"] }, { version }).unknownStateFilters, []);
    const unknown = list({ stateFilters: ["ongoing", "Ongoing", "", "ongoing"] }, { version });
    assert.deepEqual(unknown, { code: 0, unknownStateFilters: ["ongoing", ""] });
  });
}

Deno.test("handleListTransactions() has a pattern checked by the main isolate", () => {
  const request = { transactionalIdPattern: "order.*", stateFilters: ["none"] };
  assert.deepEqual(list(request, { checked: { isValid: true } }), { code: 0, unknownStateFilters: ["none"] });
  const refused = { code: errorCode.INVALID_REGULAR_EXPRESSION, unknownStateFilters: [] };
  assert.deepEqual(list(request, { checked: { isValid: false } }), refused);
  assert.equal(list(request, { checked: { failure: "gone" } }).code, errorCode.UNKNOWN_SERVER_ERROR);
  assert.equal(list({ transactionalIdPattern: "" }).code, errorCode.NONE);
});
