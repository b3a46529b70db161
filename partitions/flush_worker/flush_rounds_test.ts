import { strict as assert } from "node:assert";
import {
  allocateSharedState,
  flushInbox,
  flushOutbox,
  flushWorkerOutboxes,
  inbox,
  releaseSharedState,
} from "../shared/shared_state.ts";
import * as message from "../shared/messages.ts";
import { isFlushed, sendFlush } from "./flush_records.ts";
import { FlushRounds } from "./flush_rounds.ts";

/** Three shards, and a disk that the test answers for. */
class Fixture implements Disposable {
  readonly state = allocateSharedState(3);
  readonly flushed: { files: readonly (readonly number[])[]; end: (areFlushed: boolean[]) => void }[] = [];
  readonly rounds = new FlushRounds(flushWorkerOutboxes(this.state, 0), (files) => {
    const { promise, resolve } = Promise.withResolvers<boolean[]>();
    this.flushed.push({ files, end: resolve });
    return promise;
  });
  readonly #mail = flushInbox(this.state, 0);

  send(shard: number, operation: number, files: number[][]): void {
    sendFlush(flushOutbox(this.state, { shard, directory: 0 }), operation, files);
  }

  receive(): void {
    this.#mail.drain((shard, record) => void this.rounds.receive(shard, record));
  }

  /** Operations that a shard got answers to, and which of their first two partitions are flushed. */
  answers(shard: number): [operation: number, first: boolean, second: boolean][] {
    const answers: [number, boolean, boolean][] = [];
    inbox(this.state, shard).drain((sender, record) => {
      assert.equal(sender, 4, "the flush worker's number follows that of the main isolate");
      const operation = record.ints[record.int + message.flushed.operation] as number;
      answers.push([operation, isFlushed(record, 0), isFlushed(record, 1)]);
    });
    return answers;
  }

  [Symbol.dispose](): void {
    releaseSharedState(this.state);
  }
}

Deno.test("FlushRounds.run() flushes what all shards have sent in one round, and each gets the outcomes of its own files", async () => {
  using fixture = new Fixture();
  fixture.send(0, 1, [[7], [8]]);
  fixture.send(2, 5, [[9, 10]]);
  fixture.receive();
  assert.equal(fixture.rounds.isEmpty, false);
  const round = fixture.rounds.run();
  assert.deepEqual(fixture.flushed.map(({ files }) => files), [[[7], [8], [9, 10]]]);
  assert.deepEqual([fixture.answers(0), fixture.answers(2)], [[], []]);
  fixture.flushed[0]?.end([true, false, true]);
  await round;
  assert.deepEqual([fixture.answers(0), fixture.answers(1), fixture.answers(2)], [[[1, true, false]], [], [[
    5,
    true,
    true,
  ]]]);
});

Deno.test("FlushRounds.run() flushes in the next round what arrives meanwhile", async () => {
  using fixture = new Fixture();
  fixture.send(0, 1, [[7]]);
  fixture.receive();
  const first = fixture.rounds.run();
  fixture.send(1, 1, [[8]]);
  fixture.receive();
  fixture.flushed[0]?.end([true]);
  await first;
  assert.deepEqual([fixture.answers(0).length, fixture.answers(1), fixture.rounds.isEmpty], [1, [], false]);
  const second = fixture.rounds.run();
  assert.deepEqual(fixture.flushed[1]?.files, [[8]]);
  fixture.flushed[1]?.end([false]);
  await second;
  assert.deepEqual([fixture.answers(1), fixture.rounds.isEmpty], [[[1, false, true]], true]);
});
