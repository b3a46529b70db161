import assert from "node:assert/strict";
import { refuseAssignment } from "./manual_assignment.ts";
import type { PlaceableBroker } from "./replica_placement.ts";

const brokers: readonly PlaceableBroker[] = [
  { nodeId: 1, rack: null, state: "active" },
  { nodeId: 2, rack: "a", state: "fenced" },
  { nodeId: 3, rack: "b", state: "stopping" },
];

const cases: [brokerIds: number[], expected: number, refused: RegExp | null][] = [
  [[1], 1, null],
  [[2, 3, 1], 3, null],
  [[], 0, /^The manual partition assignment includes an empty replica list\.$/],
  [[4], 1, / includes broker 4, but no such broker is registered\.$/],
  [[1, 1], 2, / includes the broker 1 more than once\.$/],
  [[9, 1, 1], 3, / includes the broker 1 more than once\.$/], // in the order of the numbers, as Kafka finds them
  [[4, 4], 2, / includes broker 4, but no such broker/],
  [[1, 2], 1, / a partition with 2 replica\(s\), but this is not consistent with .* which have 1 replica\(s\)\.$/],
  [[2], 1, /^All brokers specified in .* for partition 5 are fenced or in controlled shutdown\.$/],
  [[3, 2], 2, /^All brokers specified in .* for partition 5 are fenced or in controlled shutdown\.$/],
];

for (const [brokerIds, expected, refused] of cases) {
  Deno.test(`refuseAssignment() ${refused === null ? "accepts" : "refuses"} ${JSON.stringify(brokerIds)}`, () => {
    const sentence = refuseAssignment({ brokerIds, partition: 5 }, brokers, expected);
    if (refused === null) assert.equal(sentence, null);
    else assert.match(sentence ?? "", refused);
  });
}
