import assert from "node:assert/strict";
import { apiOf } from "../../../net/handlers/api_testing.ts";
import { encodeBody, sampleStruct, seedOfThisRun } from "../../../net/protocol/sample_values.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import { createRandom } from "../../../storage/base/random.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import { topicOn } from "../../owned/partition_testing.ts";
import { GroupCoordinatorOnDemand } from "./coordinator_on_demand.ts";
import { TestCoordinator } from "./coordinator_testing.ts";
import type { Coordinator } from "../runtime/coordinator.ts";
import type { GroupCoordinatorParts } from "./group_coordinator.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { GroupApiKey, GroupApis } from "./group_apis.ts";
import { noGroups, type SurveyedGroups } from "../../requests/surveyed_groups.ts";

const seed = seedOfThisRun();
const KEYS: readonly GroupApiKey[] = [8, 9, 11, 12, 13, 14, 15, 16, 42, 47, 68, 69];
const SAMPLES = 30;

const notLoaded = () => new GroupCoordinatorOnDemand({ shard: 0 } as GroupCoordinatorParts);
const changeOf = (name: string, shards: readonly number[]): TopicChange => ({
  changed: [topicOn(shards, { name })],
  deleted: [],
});

/** The answer of a coordinator, as bytes. */
function answerOf(
  coordinator: Coordinator<GroupApis>,
  call: { apiKey: GroupApiKey; apiVersion: number; bytes: Uint8Array },
) {
  const { apiKey, apiVersion, bytes } = call;
  const { request, response } = apiOf(apiKey);
  const answers: Uint8Array[] = [];
  const decoded = request.decode(new Reader(bytes), apiVersion) as never;
  coordinator.handle(apiKey, decoded, { clientId: "c", clientHost: "/127.0.0.1", apiVersion }, (answer) => {
    answers.push(encodeBody({ message: response, version: apiVersion } as never, answer));
  });
  coordinator.runTurn(0);
  assert.equal(answers.length, 1, `${apiKey} v${apiVersion} is answered once`);
  return answers[0];
}

Deno.test(`GroupCoordinatorOnDemand.handle() answers every request like a coordinator without partitions (BARNABAS_SEED=${seed})`, () => {
  const random = createRandom(seed);
  const { coordinator } = new TestCoordinator({ shards: [1] });
  for (const apiKey of KEYS) {
    const { request, served: [oldest, newest] } = apiOf(apiKey);
    for (let apiVersion = oldest; apiVersion <= newest; apiVersion++) {
      for (let sample = 0; sample < SAMPLES; sample++) {
        const value = sampleStruct(request.fields, apiVersion, random);
        // Every second request names no group.
        const asked = sample % 2 === 0 || !("groupId" in value) ? value : { ...value, groupId: "" };
        const call = {
          apiKey,
          apiVersion,
          bytes: encodeBody({ message: request, version: apiVersion } as never, asked),
        };
        assert.deepEqual(answerOf(notLoaded(), call), answerOf(coordinator, call), `${apiKey} v${apiVersion}`);
      }
    }
  }
});

Deno.test("GroupCoordinatorOnDemand.handle() refuses commits that every coordinator refuses", () => {
  const partitions = Array.from({ length: 20_001 }, (_, partitionIndex) => ({ partitionIndex, committedOffset: 1 }));
  const { coordinator } = new TestCoordinator({ shards: [1] });
  for (const apiKey of [8, 47] as const) {
    const { request } = apiOf(apiKey);
    const asked = { groupId: "g", topics: [{ name: "a", partitions }] };
    const call = { apiKey, apiVersion: 0, bytes: new Uint8Array(0) };
    call.apiVersion = apiOf(apiKey).served[0];
    call.bytes = encodeBody({ message: request, version: call.apiVersion } as never, asked);
    assert.deepEqual(answerOf(notLoaded(), call), answerOf(coordinator, call), String(apiKey));
  }
});

Deno.test("GroupCoordinatorOnDemand asks for the coordinator at the shard's first offsets partition, and later changes wait", () => {
  const calls: string[] = [];
  const world = new TestCoordinator();
  const onDemand = notLoaded();
  const prepare = (name: string, shards: readonly number[]) => {
    const change = changeOf(name, shards);
    onDemand.prepare(change, () => {
      onDemand.onImage(change);
      calls.push(name);
    });
  };
  prepare("before", [0]);
  prepare(OFFSETS_TOPIC, [1, 1]);
  assert.deepEqual(calls.splice(0), ["before", OFFSETS_TOPIC]);
  assert.equal(onDemand.isWanted, false);
  prepare(OFFSETS_TOPIC, [1, 0]);
  prepare("behind", [0]);
  assert.deepEqual(calls, []);
  assert.equal(onDemand.isWanted, true);
  assert.equal(onDemand.nextDeadlineMs, Infinity);

  const parts: GroupCoordinatorParts[] = [];
  class GroupCoordinator {
    handle: Coordinator<GroupApis>["handle"] = (...call) => world.coordinator.handle(...call);
    readonly nextDeadlineMs = 17;
    readonly hasGathered = true;
    constructor(given: GroupCoordinatorParts) {
      parts.push(given);
    }
    onImage = ({ changed }: TopicChange) => void calls.push(`image ${changed[0]!.name}`);
    runTurn = (nowMs: number) => void calls.push(`turn ${nowMs}`);
    writeGathered = () => void calls.push("write");
    dispose = () => void calls.push("dispose");
    *surveyGroups(into: SurveyedGroups): Generator<void, void> {
      yield;
      into.offsetsCount++;
    }
  }
  const surveyed = noGroups();
  assert.equal(onDemand.surveyGroups(surveyed).next().done, true);
  assert.deepEqual(surveyed, noGroups());
  onDemand.use({ GroupCoordinator });
  for (const _ of onDemand.surveyGroups(surveyed));
  assert.equal(surveyed.offsetsCount, 1);
  assert.deepEqual(parts.map(({ shard }) => shard), [0]);
  assert.deepEqual(calls.splice(0), [`image ${OFFSETS_TOPIC}`, OFFSETS_TOPIC, "image behind", "behind"]);
  assert.equal(onDemand.isWanted, false);
  prepare("after", [0]);
  onDemand.runTurn(5);
  onDemand.writeGathered(() => true);
  onDemand.dispose();
  assert.deepEqual(calls.splice(0), ["image after", "after", "turn 5", "write", "dispose"]);
  assert.deepEqual([onDemand.nextDeadlineMs, onDemand.hasGathered], [17, true]);
  onDemand.handle(12, { groupId: "g" } as never, { clientId: "", clientHost: "", apiVersion: 4 }, (response) => {
    assert.equal(response.errorCode, errorCode.UNKNOWN_MEMBER_ID, "the coordinator answers");
  });
});
