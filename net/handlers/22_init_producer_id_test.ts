import assert from "node:assert/strict";
import { ProducerIds } from "../requests/producer_ids.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { InitProducerIdRequest, InitProducerIdResponse } from "../protocol/messages/22_init_producer_id.ts";
import { initProducerIdApi } from "./22_init_producer_id.ts";
import { servedVersions, type TestServices, testServices, WireExchange } from "./handler_testing.ts";

const idempotent: InitProducerIdRequest = {
  transactionalId: null,
  transactionTimeoutMs: 60_000,
  producerId: -1,
  producerEpoch: -1,
};

/** A handler with its shard. */
function shard(): TestServices & { ask(request?: InitProducerIdRequest, version?: number): Exchange } {
  const test = testServices();
  const handler = initProducerIdApi.handlerOf(test.services);
  const ask = (request = idempotent, version = 5) => {
    const exchange = new WireExchange<InitProducerIdResponse>(22, version);
    handler(request as never, exchange as never, test.services);
    return exchange;
  };
  return { ...test, ask };
}

type Exchange = WireExchange<InitProducerIdResponse>;

for (const version of servedVersions(22)) {
  Deno.test(`InitProducerId v${version} assigns every producer its own id and epoch 0`, () => {
    const { ask, calls } = shard();
    const first = ask(idempotent, version);
    assert.equal(first.isAnswered, false);
    calls[0]?.answer({ firstId: 5000, count: 1000 });
    const second = ask(idempotent, version);
    for (const [index, exchange] of [first, second].entries()) {
      const { errorCode: code, producerId, producerEpoch } = exchange.answer;
      assert.deepEqual([code, producerId, producerEpoch], [errorCode.NONE, 5000 + index, 0]);
    }
  });

  Deno.test(`InitProducerId v${version} refuses a transactional id, and an empty one as invalid`, () => {
    const { ask, calls } = shard();
    const code = (transactionalId: string) => ask({ ...idempotent, transactionalId }, version).answer.errorCode;
    assert.equal(code("t"), errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert.equal(code(""), errorCode.INVALID_REQUEST);
    assert.deepEqual(calls, []);
  });
}

Deno.test("InitProducerId assigns a new id to a producer that names its old id and epoch, and refuses one without the other", () => {
  const { ask, calls } = shard();
  const renewed = ask({ ...idempotent, producerId: 7, producerEpoch: 3 });
  calls[0]?.answer({ firstId: 100, count: 1000 });
  assert.deepEqual([renewed.answer.errorCode, renewed.answer.producerId], [errorCode.NONE, 100]);
  assert.equal(ask({ ...idempotent, producerId: 7 }).answer.errorCode, errorCode.INVALID_REQUEST);
  assert.equal(ask({ ...idempotent, producerEpoch: 0 }).answer.errorCode, errorCode.INVALID_REQUEST);
});

Deno.test("InitProducerId answers waiting requests with an error when there are no ids, and asks for ids again", () => {
  const { ask, calls } = shard();
  const waiting = ask();
  calls[0]?.answer({ failure: "the disk is full" });
  assert.deepEqual([waiting.answer.errorCode, waiting.answer.producerId], [errorCode.COORDINATOR_LOAD_IN_PROGRESS, -1]);
  const next = ask();
  assert.equal(calls.length, 2);
  calls[1]?.answer({ firstId: 0, count: 1000 });
  assert.equal(next.answer.producerId, 0);
});

Deno.test("ProducerIds assigns each id once over many blocks, with one call for a block at a time", () => {
  const { calls, services } = testServices();
  const ids = new ProducerIds();
  const given: number[] = [];
  const take = () => ids.take(services.control, (id) => given.push(id as number));
  let answered = 0;
  for (let asked = 0; asked < 10_000; asked++) {
    take();
    assert.ok(calls.length - answered <= 1, "one call at a time");
    // Blocks arrive late, sometimes after the ids have run out.
    if (calls.length > answered && asked % 150 === 149) {
      calls[answered]?.answer({ firstId: answered * 1000, count: 1000 });
      answered++;
    }
  }
  while (given.length < 10_000) calls[answered]?.answer({ firstId: answered++ * 1000, count: 1000 });
  assert.deepEqual(given.toSorted((a, b) => a - b), Array.from({ length: 10_000 }, (_, id) => id));
});

Deno.test("ProducerIds asks for the next block before the last id is assigned", () => {
  const { calls, services } = testServices();
  const ids = new ProducerIds();
  let given = 0;
  for (let asked = 0; asked < 1000; asked++) {
    ids.take(services.control, () => given++);
    if (asked === 0) calls[0]?.answer({ firstId: 0, count: 1000 });
    if (asked === 898) assert.equal(calls.length, 1);
  }
  assert.deepEqual([given, calls.length], [1000, 2]);
});
