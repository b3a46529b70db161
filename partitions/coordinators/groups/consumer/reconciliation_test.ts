import assert from "node:assert/strict";
import { type CurrentAssignment, memberState, type OwnedPartitions, OWNS_NOTHING } from "./consumer_member.ts";
import { MUST_REJOIN, ownsOnly, reconcile, type ReconcileInput } from "./reconciliation.ts";

const { STABLE, UNREVOKED_PARTITIONS, UNRELEASED_PARTITIONS } = memberState;

function owned(epochs: Record<number, number>): OwnedPartitions {
  return new Map([["t", new Map(Object.entries(epochs).map(([partition, epoch]) => [Number(partition), epoch]))]]);
}

function currentAssignment(changes: Partial<CurrentAssignment> = {}): CurrentAssignment {
  return {
    memberEpoch: 5,
    previousMemberEpoch: 4,
    state: STABLE,
    assigned: owned({ 0: 3, 1: 5 }),
    revoking: OWNS_NOTHING,
    ...changes,
  };
}

function input(changes: Partial<ReconcileInput> = {}): ReconcileInput {
  return {
    current: currentAssignment(),
    target: new Map([["t", [0, 1]]]),
    targetEpoch: 6,
    isSubscribed: () => true,
    isFree: () => true,
    reported: null,
    subscriptionChanged: false,
    ...changes,
  };
}

const reports = (...partitions: number[]) => [{ topicId: "t", partitions }];

Deno.test("reconcile() returns a member unchanged if it has its target", () => {
  const same = input({ targetEpoch: 5 });
  assert.equal(reconcile(same), same.current);
});

Deno.test("reconcile() moves a member to a newer epoch if its partitions stay, and keeps their epochs", () => {
  assert.deepEqual(reconcile(input()), currentAssignment({ memberEpoch: 6, previousMemberEpoch: 5 }));
});

Deno.test("reconcile() assigns free partitions at once, with the epoch in which the member gets them", () => {
  const next = reconcile(input({ target: new Map([["t", [0, 1, 2]]]) }));
  assert.deepEqual(
    next,
    currentAssignment({ memberEpoch: 6, previousMemberEpoch: 5, assigned: owned({ 0: 3, 1: 5, 2: 6 }) }),
  );
});

Deno.test("reconcile() waits for partitions of other members, and assigns free ones meanwhile", () => {
  const waiting = reconcile(
    input({ target: new Map([["t", [0, 1, 2, 3]]]), isFree: (_, partition) => partition !== 3 }),
  );
  assert.deepEqual(
    waiting,
    currentAssignment({
      memberEpoch: 6,
      previousMemberEpoch: 5,
      state: UNRELEASED_PARTITIONS,
      assigned: owned({ 0: 3, 1: 5, 2: 6 }),
    }),
  );
  const still = input({
    current: waiting as CurrentAssignment,
    target: new Map([["t", [0, 1, 2, 3]]]),
    isFree: (_, partition) => partition !== 3,
  });
  assert.equal(reconcile(still), still.current, "the same object if nothing is new");
  const done = reconcile({ ...still, isFree: () => true });
  assert.deepEqual(
    done,
    currentAssignment({ memberEpoch: 6, previousMemberEpoch: 6, assigned: owned({ 0: 3, 1: 5, 2: 6, 3: 6 }) }),
  );
});

Deno.test("reconcile() keeps the epoch until the member no longer reports the partitions that it has to give up", () => {
  const target = new Map([["t", [0, 2]]]);
  const revoking = currentAssignment({
    previousMemberEpoch: 5,
    state: UNREVOKED_PARTITIONS,
    assigned: owned({ 0: 3 }),
    revoking: owned({ 1: 5 }),
  });
  assert.deepEqual(reconcile(input({ target })), revoking);
  for (const reported of [null, reports(0, 1), reports(1)]) {
    const same = input({ target, current: revoking, reported });
    assert.equal(reconcile(same), revoking);
  }
  assert.deepEqual(
    reconcile(input({ target, current: revoking, reported: reports(0) })),
    currentAssignment({ memberEpoch: 6, previousMemberEpoch: 5, assigned: owned({ 0: 3, 2: 6 }) }),
  );
});

Deno.test("reconcile() removes partitions at once that the member does not report as owned", () => {
  assert.deepEqual(
    reconcile(input({ target: new Map([["t", [0]]]), reported: reports(0) })),
    currentAssignment({ memberEpoch: 6, previousMemberEpoch: 5, assigned: owned({ 0: 3 }) }),
  );
});

Deno.test("reconcile() removes a topic that the member left, although its target still has it", () => {
  const changes = { targetEpoch: 5, isSubscribed: () => false, subscriptionChanged: true };
  const revoking = currentAssignment({
    previousMemberEpoch: 5,
    state: UNREVOKED_PARTITIONS,
    assigned: OWNS_NOTHING,
    revoking: owned({ 0: 3, 1: 5 }),
  });
  assert.deepEqual(reconcile(input(changes)), revoking);
  assert.deepEqual(
    reconcile(input({ ...changes, reported: [] })),
    currentAssignment({ previousMemberEpoch: 5, assigned: OWNS_NOTHING }),
  );
});

Deno.test("reconcile() revokes more partitions of a member that is already giving some up", () => {
  const current = currentAssignment({
    state: UNREVOKED_PARTITIONS,
    assigned: owned({ 0: 3 }),
    revoking: owned({ 1: 5 }),
  });
  assert.deepEqual(
    reconcile(input({ current, isSubscribed: () => false, subscriptionChanged: true, reported: reports(0, 1) })),
    currentAssignment({
      previousMemberEpoch: 5,
      state: UNREVOKED_PARTITIONS,
      assigned: OWNS_NOTHING,
      revoking: owned({ 0: 3, 1: 5 }),
    }),
  );
});

Deno.test("reconcile() resets a member in an unknown state of a later Kafka if it owns nothing", () => {
  const current = currentAssignment({ state: 9 });
  for (const reported of [null, reports(0)]) assert.equal(reconcile(input({ current, reported })), MUST_REJOIN);
  const next = reconcile(input({ current, reported: [] }));
  assert.deepEqual(next, currentAssignment({ memberEpoch: 6, previousMemberEpoch: 5 }));
});

Deno.test("ownsOnly() is false if the member reports nothing, or other partitions", () => {
  assert.equal(ownsOnly(null, owned({ 0: 1 })), false);
  assert.equal(ownsOnly([], OWNS_NOTHING), true);
  assert.equal(ownsOnly(reports(0), owned({ 0: 1 })), true);
  assert.equal(ownsOnly(reports(0, 1), owned({ 0: 1 })), false);
});
