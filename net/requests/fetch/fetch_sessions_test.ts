import { strict as assert } from "node:assert";
import { FetchSessions, INTERESTS_MAX, moveToEnd } from "./fetch_sessions.ts";
import { fetchOf } from "./fetch_testing.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { FetchRequest } from "../../protocol/messages/01_fetch.ts";

const VERSION = 12;

function request(
  session: { id: number; epoch: number },
  partitions: number[],
  { forgotten = [], offsets = {} }: { forgotten?: number[]; offsets?: Record<number, number> } = {},
): FetchRequest {
  const wanted = partitions.map((partition) => [partition, offsets[partition] ?? 100 + partition] as const);
  return fetchOf(wanted, { session, forgotten, partitionMaxBytes: 1000 });
}

function create(sessionsMax = 2) {
  let state = 0;
  return new FetchSessions(sessionsMax, () => (state = (state + 0.1234) % 1));
}

function open(sessions: FetchSessions, partitions: number[], nowMs = 0) {
  const plan = sessions.plan(request({ id: 0, epoch: 0 }, partitions), VERSION, nowMs);
  assert.equal(plan.kind, "full");
  assert.ok(plan.kind === "full" && plan.session !== null);
  return plan.session;
}

Deno.test("FetchSessions.plan() serves a request without a session whole", () => {
  const plan = create().plan(request({ id: 0, epoch: -1 }, [0, 1]), VERSION, 0);
  assert.ok(plan.kind === "full" && plan.session === null);
  assert.deepEqual(plan.interests.map(({ partition }) => partition), [0, 1]);
});

Deno.test("FetchSessions.plan() remembers partitions, changes and forgets them, and counts epochs", () => {
  const sessions = create();
  const { id } = open(sessions, [0, 1, 2]);
  const changed = request({ id, epoch: 1 }, [3, 1], { forgotten: [0], offsets: { 1: 777 } });
  const plan = sessions.plan(changed, VERSION, 0);
  assert.ok(plan.kind === "incremental");
  assert.deepEqual(plan.interests.map(({ partition, fetchOffset }) => [partition, fetchOffset]), [
    [1, 777],
    [2, 102],
    [3, 103],
  ]);
  const next = sessions.plan(request({ id, epoch: 2 }, []), VERSION, 0);
  assert.ok(next.kind === "incremental" && next.interests.length === 3);
});

Deno.test("FetchSessions.plan() refuses an unknown id, a wrong epoch and a change between names and ids", () => {
  const sessions = create();
  const { id } = open(sessions, [0]);
  const codeOf = (session: { id: number; epoch: number }, version = VERSION) => {
    const plan = sessions.plan(request(session, []), version, 0);
    return plan.kind === "refused" ? plan.errorCode : "served";
  };
  assert.equal(codeOf({ id: id + 1, epoch: 1 }), errorCode.FETCH_SESSION_ID_NOT_FOUND);
  assert.equal(codeOf({ id, epoch: 2 }), errorCode.INVALID_FETCH_SESSION_EPOCH);
  assert.equal(codeOf({ id, epoch: 1 }, 13), errorCode.FETCH_SESSION_TOPIC_ID_ERROR);
  assert.equal(codeOf({ id, epoch: 1 }), "served");
});

Deno.test("FetchSessions.plan() wraps the epoch from 2^31-1 to 1", () => {
  const sessions = create();
  const session = open(sessions, [0]);
  session.nextEpoch = 0x7fff_ffff;
  assert.equal(sessions.plan(request({ id: session.id, epoch: 0x7fff_ffff }, []), VERSION, 0).kind, "incremental");
  assert.equal(session.nextEpoch, 1);
});

Deno.test("FetchSessions.plan() closes a named session by epoch -1 and by epoch 0", () => {
  const sessions = create();
  const first = open(sessions, [0]);
  sessions.plan(request({ id: first.id, epoch: -1 }, [0]), VERSION, 0);
  assert.equal(sessions.count, 0);
  const second = open(sessions, [0]);
  sessions.plan(request({ id: second.id, epoch: 0 }, [0]), VERSION, 0);
  assert.equal(sessions.count, 1);
  assert.equal(sessions.plan(request({ id: second.id, epoch: 1 }, []), VERSION, 0).kind, "refused");
});

Deno.test("FetchSessions.plan() serves without a session when all are in use, and evicts one that was idle for two minutes", () => {
  const sessions = create(2);
  const oldest = open(sessions, [0], 0);
  open(sessions, [0], 1000);
  sessions.plan(request({ id: oldest.id, epoch: 1 }, []), VERSION, 2000);
  const busy = sessions.plan(request({ id: 0, epoch: 0 }, [0]), VERSION, 120_000);
  assert.ok(busy.kind === "full" && busy.session === null);
  const later = sessions.plan(request({ id: 0, epoch: 0 }, [0]), VERSION, 121_000);
  assert.ok(later.kind === "full" && later.session !== null);
  assert.equal(sessions.plan(request({ id: oldest.id, epoch: 2 }, []), VERSION, 121_000).kind, "incremental");
});

Deno.test("moveToEnd() reads a partition last next time", () => {
  const sessions = create();
  const session = open(sessions, [0, 1, 2]);
  const [first] = session.interests.values();
  moveToEnd(session, first!);
  assert.deepEqual([...session.interests.values()].map(({ partition }) => partition), [1, 2, 0]);
});

Deno.test("FetchSessions.plan() takes the last values of a partition that is named twice, at the first position", () => {
  for (const epoch of [-1, 0]) {
    const twice = request({ id: 0, epoch }, [5, 3, 5]);
    const partitions = twice.topics[0]!.partitions.map((wanted, index) => ({ ...wanted, fetchOffset: index }));
    const sessions = create();
    const plan = sessions.plan({ ...twice, topics: [{ ...twice.topics[0]!, partitions }] }, VERSION, 0);
    assert.ok(plan.kind === "full");
    assert.deepEqual(plan.interests.map(({ partition, fetchOffset }) => [partition, fetchOffset]), [[5, 2], [3, 1]]);
  }
  const topic = request({ id: 0, epoch: -1 }, [1]).topics[0]!;
  const plan = create().plan({ ...request({ id: 0, epoch: -1 }, []), topics: [topic, topic] }, VERSION, 0);
  assert.ok(plan.kind === "full");
  assert.equal(plan.interests.length, 1);
});

Deno.test("FetchSessions.plan() remembers no more partitions than its limit, in one session or in many", () => {
  const sessions = create(4);
  const half = Array.from({ length: INTERESTS_MAX / 2 }, (_, partition) => partition);
  const { id } = open(sessions, half);
  open(sessions, half);
  const third = sessions.plan(request({ id: 0, epoch: 0 }, [1]), VERSION, 0);
  assert.ok(third.kind === "full" && third.session === null, "served, but not remembered");
  assert.equal(third.interests.length, 1);
  // A forgotten partition makes room again.
  assert.equal(sessions.plan(request({ id, epoch: 1 }, [], { forgotten: [0] }), VERSION, 0).kind, "incremental");
  const small = open(sessions, [1]);
  assert.deepEqual(sessions.plan(request({ id: small.id, epoch: 1 }, [2]), VERSION, 0), {
    kind: "refused",
    errorCode: errorCode.FETCH_SESSION_ID_NOT_FOUND,
  });
  assert.equal(sessions.count, 2, "a session that grew beyond is forgotten");
  sessions.plan(request({ id, epoch: -1 }, []), VERSION, 0);
  open(sessions, half);
});
