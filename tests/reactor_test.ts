/**
 * The reactor under loads that pause and resume connections: full pipelines, many parts of one request.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../net/protocol/messages/00_produce.ts";
import { frameOf, KafkaClient } from "./kafka_client.ts";
import { buildBatch, concatBytes } from "./record_batch_builder.ts";

const PRODUCE = 9;

function batchOf(text: string): Uint8Array {
  return buildBatch([{ value: text }], { baseTimestamp: Date.now() });
}

function produceTo(partitions: readonly number[], acks: number, records = batchOf("x")) {
  const partitionData = partitions.map((index) => ({ index, records }));
  return { transactionalId: null, acks, timeoutMs: 5000, topicData: [{ name: "t", partitionData }] };
}

function produceFrame(correlationId: number, partition: number, acks: number): Uint8Array {
  return frameOf(produceRequest, { apiVersion: PRODUCE, correlationId }, produceTo([partition], acks));
}

for (const acks of [0, 1]) {
  Deno.test(`more requests than a pipeline holds, all at once with acks=${acks}, are all served`, async () => {
    await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }] });
    using client = await KafkaClient.connect(broker);
    const count = 600;
    // Requests go to both partitions, so that one of them is on another shard than the connection.
    for (const partition of [0, 1]) {
      const frames = Array.from({ length: count }, (_, id) => produceFrame(id, partition, acks));
      await client.sendRaw(concatBytes(frames));
      for (let id = 0; id < count && acks !== 0; id++) {
        assert.equal((await client.receive(produceResponse, PRODUCE))?.correlationId, id);
      }
    }
    for (const partition of [0, 1]) {
      const value = produceTo([partition], -1);
      const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: PRODUCE, value });
      assert.equal(responses[0]?.partitionResponses[0]?.baseOffset, count);
    }
  });
}

Deno.test("one produce may name a partition of another shard thousands of times", async () => {
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }] });
  using client = await KafkaClient.connect(broker);
  for (const partition of [0, 1]) {
    const value = produceTo(new Array(8_000).fill(partition), 1, new Uint8Array(0));
    const { responses } = await client.call(produceRequest, produceResponse, { apiVersion: PRODUCE, value });
    const answers = responses[0]!.partitionResponses;
    assert.equal(answers.length, 8_000);
    assert.ok(answers.every((answer) => answer.errorCode !== errorCode.NONE));
  }
});
