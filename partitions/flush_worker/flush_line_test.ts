import { strict as assert } from "node:assert";
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import {
  allocateSharedState,
  flushInbox,
  flushOutbox,
  flushWorkerOutboxes,
  inbox,
  releaseSharedState,
} from "../shared/shared_state.ts";
import { FlushLine } from "./flush_line.ts";
import { type FlushOperation, FlushReceiver, sendFlushed } from "./flush_records.ts";

const requestOf = (fds: number[], directories: string[] = []) => ({ fds, directories }) as unknown as FlushRequest;

/** A shard's line; the test is the worker. */
class Fixture implements Disposable {
  readonly state = allocateSharedState(1);
  isServing = true;
  readonly elsewhere: (readonly number[])[][] = [];
  unserved = 0;
  readonly outcomes: (readonly FlushOutcome[])[] = [];
  readonly #receiver = new FlushReceiver();
  readonly line = new FlushLine({
    outbox: flushOutbox(this.state, { shard: 0, directory: 0 }),
    isServing: () => this.isServing,
    onUnserved: () => void this.unserved++,
    flushElsewhere: (requests, done) => {
      this.elsewhere.push(requests.map(({ fds }) => fds));
      done(requests.map(() => "flushed"));
    },
  });

  flush(...requests: FlushRequest[]): void {
    this.line.flush(requests, (outcomes) => void this.outcomes.push(outcomes));
  }

  /** What the worker has received since the last call. */
  received(): FlushOperation[] {
    const operations: FlushOperation[] = [];
    flushInbox(this.state, 0).drain((shard, record) => {
      const operation = this.#receiver.receive(shard, record);
      if (operation !== null) operations.push(operation);
    });
    return operations;
  }

  answer({ operation }: FlushOperation, areFlushed: boolean[]): void {
    sendFlushed(flushWorkerOutboxes(this.state, 0)[0]!, operation, areFlushed);
    inbox(this.state, 0).drain((_sender, record) => void assert.ok(this.line.receive(record)));
  }

  [Symbol.dispose](): void {
    releaseSharedState(this.state);
  }
}

Deno.test("FlushLine.flush() sends a group to the worker and gives each request its outcome when the worker has answered", () => {
  using fixture = new Fixture();
  fixture.flush(requestOf([7]), requestOf([8, 9]), requestOf([10]));
  const [sent] = fixture.received();
  assert.deepEqual(sent?.files, [[7], [8, 9], [10]]);
  assert.deepEqual([fixture.outcomes, fixture.line.inFlight], [[], 1]);
  fixture.answer(sent!, [true, false, true]);
  assert.deepEqual([fixture.outcomes, fixture.line.inFlight], [[["flushed", "failed", "flushed"]], 0]);
  assert.deepEqual([fixture.elsewhere, fixture.unserved], [[], 0]);
});

Deno.test("FlushLine.flush() goes another way while no worker serves, and for a group with a directory", () => {
  using fixture = new Fixture();
  fixture.isServing = false;
  fixture.flush(requestOf([7]));
  fixture.isServing = true;
  fixture.flush(requestOf([8]), requestOf([9], ["/logs/t-0"]));
  assert.deepEqual([fixture.elsewhere, fixture.received(), fixture.line.inFlight], [[[[7]], [[8], [9]]], [], 0]);
  assert.deepEqual([fixture.outcomes, fixture.unserved], [[["flushed"], ["flushed", "flushed"]], 1]);
});

Deno.test("FlushLine.flush() asks for another worker when its own ended while the group was sent, which the next one takes", () => {
  using fixture = new Fixture();
  let asked = 0;
  const line = new FlushLine({
    outbox: flushOutbox(fixture.state, { shard: 0, directory: 0 }),
    isServing: () => asked++ === 0,
    onUnserved: () => void fixture.unserved++,
    flushElsewhere: () => assert.fail("it is in the ring"),
  });
  line.flush([requestOf([7])], (outcomes) => void fixture.outcomes.push(outcomes));
  assert.deepEqual([fixture.unserved, line.inFlight], [1, 1]);
  const [sent] = fixture.received();
  sendFlushed(flushWorkerOutboxes(fixture.state, 0)[0]!, sent!.operation, [true]);
  inbox(fixture.state, 0).drain((_sender, record) => void line.receive(record));
  assert.deepEqual([fixture.outcomes, line.inFlight], [[["flushed"]], 0]);
});
