import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { allocateSharedState, inbox, releaseSharedState } from "../shared/shared_state.ts";
import { flushInbox, flushOutbox, flushWorkerOutboxes } from "../shared/shared_state.ts";
import {
  FLUSHED_PARTITIONS_MAX,
  type FlushOperation,
  FlushReceiver,
  isFlushed,
  sendFlush,
  sendFlushed,
} from "./flush_records.ts";

Deno.test("FlushReceiver puts together what sendFlush() sent, of several shards at once, in operations of every size", () => {
  const seed = Number(Deno.env.get("BARNABAS_SEED") ?? 3);
  const random = createRandom(seed);
  const state = allocateSharedState(2);
  try {
    const outboxes = [flushOutbox(state, { shard: 0, directory: 0 }), flushOutbox(state, { shard: 1, directory: 0 })];
    const mail = flushInbox(state, 0);
    const receiver = new FlushReceiver();
    for (let round = 0; round < 200; round++) {
      const sent: FlushOperation[] = outboxes.map((_, shard) => {
        const partitions = 1 + Math.floor(random() * (round % 2 === 0 ? 3 : FLUSHED_PARTITIONS_MAX));
        const fds = () => Array.from({ length: 1 + Math.floor(random() * 8) }, () => Math.floor(random() * 2 ** 20));
        return { shard, operation: round * 2 + shard, files: Array.from({ length: partitions }, fds) };
      });
      for (const { shard, operation, files } of sent) sendFlush(outboxes[shard]!, operation, files);
      const received: FlushOperation[] = [];
      mail.drain((shard, record) => {
        const operation = receiver.receive(shard, record);
        if (operation !== null) received.push(operation);
      });
      assert.ok(outboxes.every((outbox) => !outbox.isBacklogged), "the ring has room for the largest operation");
      assert.deepEqual(received.sort((a, b) => a.shard - b.shard), sent, `seed ${seed}`);
    }
  } finally {
    releaseSharedState(state);
  }
});

Deno.test("isFlushed() says for each of 64 partitions what sendFlushed() was given", () => {
  const state = allocateSharedState(1);
  try {
    const [toShard] = flushWorkerOutboxes(state, 0);
    const mail = inbox(state, 0);
    for (let failed = -1; failed < FLUSHED_PARTITIONS_MAX; failed++) {
      const sent = Array.from({ length: FLUSHED_PARTITIONS_MAX }, (_, partition) => partition !== failed);
      sendFlushed(toShard!, 1, sent);
      let received: boolean[] = [];
      mail.drain((_sender, record) => void (received = sent.map((_, partition) => isFlushed(record, partition))));
      assert.deepEqual(received, sent);
    }
  } finally {
    releaseSharedState(state);
  }
});
