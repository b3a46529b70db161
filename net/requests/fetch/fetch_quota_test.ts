import { strict as assert } from "node:assert";
import { batchOf, topicOn } from "../../../partitions/owned/partition_testing.ts";
import { FetchSessions } from "./fetch_sessions.ts";
import { type FetchChanges, fetchOf, startFetch } from "./fetch_testing.ts";
import { TestBroker, TestClient } from "../operation_testing.ts";
import { noQuotas, type Quotas } from "../quotas/quotas.ts";
import { fetchResponse } from "../../protocol/messages/01_fetch.ts";

const VERSION = 12;
const BATCH_BYTES = batchOf("0123456789").length;

/** A broker with a topic of two partitions, and a client whose quota the test plays. */
class Fixture implements Disposable {
  /** How long the client has to wait for its next answer. */
  pauseMs = 0;
  readonly charged: number[] = [];
  readonly broker = new TestBroker(1);
  readonly client: TestClient;
  readonly sessions = new FetchSessions(10, () => 0.5);

  constructor(fetchBytesMax = Infinity) {
    this.broker.create(topicOn([0, 0]));
    const quotas: Quotas = {
      ...noQuotas,
      isEmpty: false,
      tryCharge: (_client, _kind, amount) => {
        this.charged.push(amount);
        return this.pauseMs;
      },
      fetchBytesMax: () => fetchBytesMax,
    };
    this.client = new TestClient(this.broker.world.at(0), { quotas });
    for (const slot of [0, 1]) this.broker.append({ shard: 0, slot }, batchOf("0123456789"));
  }

  fetch(offsets: readonly (readonly [number, number])[], changes: FetchChanges = {}): void {
    startFetch(fetchOf(offsets, changes), VERSION, this);
  }

  /** Takes an answer. @returns its throttle time, session and bytes by partition */
  take(): [number, number, (number | undefined)[]] {
    const { throttleTimeMs, sessionId, responses } = this.client.take(fetchResponse, VERSION);
    const partitions = responses.flatMap((topic) => topic.partitions);
    return [throttleTimeMs, sessionId, partitions.map(({ records }) => records?.length)];
  }

  [Symbol.dispose](): void {
    this.client.pipeline.abandon();
    this.broker.assertNothingLent();
    this.broker[Symbol.dispose]();
  }
}

Deno.test("FetchOperation charges an answer with its records and what else it says, and sends it when it need not wait", () => {
  using fixture = new Fixture();
  fixture.fetch([[0, 0], [1, 0]]);
  assert.deepEqual(fixture.take(), [0, 0, [BATCH_BYTES, BATCH_BYTES]]);
  assert.equal(fixture.charged.length, 1);
  const beside = (fixture.charged[0] as number) - 2 * BATCH_BYTES;
  assert(beside >= 100 && beside < 200, `${beside} bytes beside the records`);
  assert.deepEqual(fixture.client.mutedMs, []);
});

Deno.test("FetchOperation answers empty with the throttle time when the quota is exceeded, and returns what it had read", () => {
  using fixture = new Fixture();
  fixture.pauseMs = 700;
  fixture.fetch([[0, 0], [1, 0]]);
  assert.deepEqual(fixture.take(), [700, 0, []]);
  assert.deepEqual(fixture.client.mutedMs, [700]);
  fixture.pauseMs = 0;
  fixture.fetch([[0, 0], [1, 0]]);
  assert.deepEqual(fixture.take(), [0, 0, [BATCH_BYTES, BATCH_BYTES]]);
});

Deno.test("FetchOperation keeps a throttled session with what the request changed, and none that a throttled request began", () => {
  using fixture = new Fixture();
  fixture.pauseMs = 700;
  fixture.fetch([[0, 0]], { session: { id: 0, epoch: 0 } });
  assert.deepEqual(fixture.take(), [700, 0, []]);
  assert.equal(fixture.sessions.count, 0, "its client takes the empty answer for none, and begins again");
  fixture.pauseMs = 0;
  fixture.fetch([[0, 0]], { session: { id: 0, epoch: 0 } });
  const [, id] = fixture.take();
  assert.notEqual(id, 0);
  fixture.pauseMs = 30;
  fixture.fetch([[0, 1], [1, 0]], { session: { id, epoch: 1 } });
  assert.deepEqual(fixture.take(), [30, id, []]);
  fixture.pauseMs = 0;
  fixture.fetch([], { session: { id, epoch: 2 } });
  assert.deepEqual(fixture.take(), [0, id, [BATCH_BYTES]], "partition 1 was added by the throttled request");
});

Deno.test("FetchOperation reads no more than the quota can save up, and a first batch always", () => {
  for (const [most, bytes] of [[BATCH_BYTES + 1, [BATCH_BYTES, 0]], [0, [BATCH_BYTES, 0]]] as const) {
    using fixture = new Fixture(most);
    fixture.fetch([[0, 0], [1, 0]]);
    assert.deepEqual(fixture.take(), [0, 0, bytes]);
  }
});
