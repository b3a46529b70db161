import assert from "node:assert/strict";
import { toOffset } from "../../../storage/base/units.ts";
import { FetchSession, NAMED_MAX } from "./fetch_session.ts";

const fetchOf = (partition: number, offset = 0) => ({
  topicId: "t",
  partition,
  replica: partition,
  place: { leaderEpoch: 1, offset: toOffset(offset), lastFetchedEpoch: 1 },
  logStartOffset: toOffset(0),
});

const numbers = ({ named }: { named: readonly { partition: number }[] }) => named.map(({ partition }) => partition);

Deno.test("FetchSession names in one request what a leader takes, and the rest in the next ones, before what has changed since", () => {
  const session = new FetchSession<number>();
  const count = 2 * NAMED_MAX + 3;
  for (let partition = 0; partition < count; partition++) session.want(fetchOf(partition));
  const first = session.next();
  assert.deepEqual([first.sessionEpoch, first.named.length, first.isPart], [0, NAMED_MAX, true]);
  session.answered(7);
  session.want(fetchOf(0, 5)); // an answer had records
  session.forget(fetchOf(NAMED_MAX)); // the leader was not told of it
  const second = session.next();
  assert.deepEqual([second.sessionId, second.sessionEpoch, second.isPart], [7, 1, true]);
  assert.deepEqual([second.named[0]?.partition, second.named.length, second.forgotten], [NAMED_MAX + 1, NAMED_MAX, []]);
  session.answered(7);
  const third = session.next();
  assert.deepEqual([numbers(third), third.isPart], [[count - 2, count - 1, 0], false]);
  session.answered(7);
  assert.deepEqual(session.next(), { sessionId: 7, sessionEpoch: 3, named: [], forgotten: [], isPart: false });
});

Deno.test("FetchSession tells a new session everything, also what the last one knew, and without sessions each partition in its turn", () => {
  const session = new FetchSession<number>();
  const count = NAMED_MAX + 2;
  for (let partition = 0; partition < count; partition++) session.want(fetchOf(partition));
  session.next();
  session.answered(7);
  session.next();
  session.answered(7);
  session.end();
  session.next();
  session.answered(8);
  session.want(fetchOf(NAMED_MAX)); // as the last session knew it
  assert.deepEqual(numbers(session.next()), [NAMED_MAX, NAMED_MAX + 1]);
  session.end();
  session.next();
  session.answered(0);
  assert.deepEqual(numbers(session.next()).slice(0, 3), [NAMED_MAX, NAMED_MAX + 1, 0]);
});
