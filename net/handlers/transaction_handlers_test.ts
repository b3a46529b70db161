/** Answers of the handlers that describe transactions, of which there are none. */
import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { DescribeTransactionsResponse } from "../protocol/messages/65_describe_transactions.ts";
import type { ListTransactionsRequest, ListTransactionsResponse } from "../protocol/messages/66_list_transactions.ts";
import { handleDescribeTransactions } from "./65_describe_transactions.ts";
import { handleListTransactions } from "./66_list_transactions.ts";
import { context, servedVersions, WireExchange } from "./handler_testing.ts";

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

function list(changes: Partial<ListTransactionsRequest>, version = 2) {
  const exchange = new WireExchange<ListTransactionsResponse>(66, version);
  const all = { stateFilters: [], producerIdFilters: [], durationFilter: -1, transactionalIdPattern: null };
  handleListTransactions({ ...all, ...changes }, exchange);
  const { errorCode: code, unknownStateFilters, transactionStates } = exchange.answer;
  assert.deepEqual(transactionStates, []);
  return { code, unknownStateFilters };
}

for (const version of servedVersions(66)) {
  Deno.test(`handleListTransactions() v${version} lists nothing, and names the states that nobody knows, once each`, () => {
    assert.deepEqual(list({}, version), { code: 0, unknownStateFilters: [] });
    const known = ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead"];
    assert.deepEqual(list({ stateFilters: [...known, "PrepareEpochFence"] }, version).unknownStateFilters, []);
    const unknown = list({ stateFilters: ["ongoing", "Ongoing", "", "ongoing"] }, version);
    assert.deepEqual(unknown, { code: 0, unknownStateFilters: ["ongoing", ""] });
  });
}

Deno.test("handleListTransactions() refuses patterns that are no regular expressions of RE2, or too long", () => {
  const patterns = [
    "a(",
    "[",
    "*a",
    "a**",
    "a{2,1}",
    "a\\",
    "(?<n>a",
    "a)",
    "a++",
    "(?>a)",
    "(?=a)",
    "a".repeat(2049),
  ];
  for (const transactionalIdPattern of patterns) {
    const { code } = list({ transactionalIdPattern, stateFilters: ["none"] });
    assert.equal(code, errorCode.INVALID_REGULAR_EXPRESSION, transactionalIdPattern);
  }
  for (const transactionalIdPattern of ["", "order.*", "(?i)order", "\\Qa(\\E", "\\p{L}+", "a".repeat(2048)]) {
    assert.equal(list({ transactionalIdPattern }).code, errorCode.NONE, transactionalIdPattern);
  }
});

Deno.test("handleListTransactions() checks a long hostile pattern in bounded time", () => {
  const start = performance.now();
  for (const part of ["(?i:", "\\Q", "(a|b)*", "[a-", "(?:", "a{1000}"]) {
    list({ transactionalIdPattern: part.repeat(8000).slice(0, 2048) });
  }
  assert.ok(performance.now() - start < 10_000, "quadratic time would be minutes");
});
