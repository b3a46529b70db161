import assert from "node:assert/strict";
import { noGroups, type Purgatory, type SurveyedGroups } from "../../../partitions/mod.ts";
import { allocateSharedState, releaseSharedState } from "../../../partitions/shared/shared_state.ts";
import { topicImage } from "../../handlers/handler_testing.ts";
import { CounterReader } from "../../../partitions/control.ts";
import { type ObservedParts, ShardMetrics } from "./shard_metrics.ts";
import { LOG_WORDS, type SurveyPart } from "./shard_survey.ts";

const GROUPS = 5;

/** The metrics of a shard with so many logs and some groups, each of which takes half of the time of a part. */
function observed(logsCount: number) {
  const state = allocateSharedState(1);
  const purgatory = { waitingByKind: () => ({ Fetch: 3 }) } as unknown as Purgatory;
  const metrics = new ShardMetrics(state, 0, purgatory);
  let nowMs = 0;
  const logs = Array.from({ length: logsCount }, (_, slot) => ({
    slot,
    isOpen: slot !== 1,
    log: { logFilesBytes: 1000 + slot, segments: () => [{}, {}] },
  }));
  const groups = {
    *surveyGroups(into: SurveyedGroups): Generator<void, void> {
      for (let count = 0; count < GROUPS; count++) {
        into.offsetsCount++;
        yield;
      }
    },
  };
  metrics.observe({
    shard: {
      arena: { usedBytes: 11 },
      answers: { heldBytes: 12 },
      memory: { pipelines: { heldBytes: 13, keptBytes: 14, weights: { heldBytes: 15 } } },
      connectionsCount: 16,
      counts: { loadedSlices: 17, sentSlices: 18, copiedSlices: 19 },
    },
    partitions: { owned: { all: logs }, inFlight: 20 },
    groups,
    clock: { wallMs: () => 0, monotonicMs: () => nowMs += 0.5 },
  } as unknown as ObservedParts);
  return { metrics, state };
}

/** All parts of one answer. */
function surveyOf(metrics: ShardMetrics): SurveyPart[] {
  const parts = [metrics.survey(true)];
  while (parts.at(-1)?.groups === null) parts.push(metrics.survey(false));
  return parts;
}

Deno.test("ShardMetrics.survey() answers in parts, which have each open log once, and the numbers with the first part", () => {
  const { metrics, state } = observed(1000);
  const parts = surveyOf(metrics);
  assert.ok(parts.length > 2, `${parts.length} parts`);
  const slots = parts.flatMap(({ logs }) => Array.from(logs).filter((_, word) => word % LOG_WORDS === 0));
  assert.deepEqual(slots, Array.from({ length: 1000 }, (_, slot) => slot).filter((slot) => slot !== 1));
  assert.deepEqual([...parts[0]?.logs.subarray(0, LOG_WORDS) ?? []], [0, 1000, 2]);
  assert.equal(parts.at(-1)?.groups?.offsetsCount, GROUPS);
  assert.deepEqual(parts.map(({ numbers }) => numbers !== null), parts.map((_, index) => index === 0));
  const numbers = parts[0]?.numbers;
  assert.deepEqual(
    [numbers?.arenaUsedBytes, numbers?.answerBytes, numbers?.requestBytes, numbers?.weightBytes, numbers?.connections],
    [11, 12, 27, 15, 16],
  );
  assert.deepEqual([numbers?.coldSlices, numbers?.operationsInFlight, numbers?.waiting], [17, 20, { Fetch: 3 }]);
  assert.ok(parts[0]?.apis.some(({ key, name }) => key === 0 && name === "Produce"));
  assert.equal(structuredClone(parts).length, parts.length, "it can be posted");
  releaseSharedState(state);
});

Deno.test("ShardMetrics.survey() begins anew when it is asked for the first part again, and keeps nothing of the last answer", () => {
  const { metrics, state } = observed(1000);
  metrics.survey(true);
  metrics.survey(false);
  for (let times = 0; times < 2; times++) {
    const parts = surveyOf(metrics);
    assert.equal(parts.reduce((sum, { logs }) => sum + logs.length, 0), 999 * LOG_WORDS);
    assert.equal(parts.at(-1)?.groups?.offsetsCount, GROUPS);
  }
  releaseSharedState(state);
});

Deno.test("ShardMetrics.survey() has an empty answer before the shard serves", () => {
  const state = allocateSharedState(1);
  const metrics = new ShardMetrics(state, 0, {} as Purgatory);
  assert.deepEqual(metrics.survey(true), { numbers: null, apis: [], logs: new Float64Array(0), groups: noGroups() });
  releaseSharedState(state);
});

Deno.test("ShardMetrics.forget() clears the rows of a deleted topic's partitions", () => {
  const { metrics, state } = observed(0);
  const reader = new CounterReader(state);
  metrics.traffic.produced(0, "done", 10, 1);
  metrics.traffic.produced(1, "done", 10, 1);
  metrics.forget([topicImage("t", "id", 1)]);
  assert.deepEqual([reader.trafficOf(0).bytesIn, reader.trafficOf(1).bytesIn], [0, 10]);
  releaseSharedState(state);
});
