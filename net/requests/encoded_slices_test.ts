import { strict as assert } from "node:assert";
import { type DescribedUser, describedUserElement } from "../protocol/messages/50_describe_user_scram_credentials.ts";
import { encodeInSlices } from "./encoded_slices.ts";
import type { SlicedWork } from "./slices.ts";

const userOf = (user: string): DescribedUser => ({ user, errorCode: 0, errorMessage: null, credentialInfos: [] });

/** Encodes a user for each name that is not empty. @returns bytes before each item, and how often the work went on */
function encode(names: readonly string[]): { before: number[]; steps: number; isFinished: boolean } {
  const seen = { before: [] as number[], steps: 0, isFinished: false };
  const run = (work: SlicedWork) => {
    do seen.steps++; while (work.step());
    assert.equal(seen.isFinished, false);
    work.finish();
  };
  const never = () => assert.fail("the request is not handled by itself");
  const exchange = { apiVersion: 0, beginSlices: never, fail: never };
  encodeInSlices(
    {
      items: names,
      element: describedUserElement,
      describe: (name, { bytes }) => {
        seen.before.push(bytes.length);
        return name === "" ? null : userOf(name);
      },
    },
    { slices: { run, resume: never, resumeLater: never }, exchange },
    () => seen.isFinished = true,
  );
  return seen;
}

Deno.test("encodeInSlices() takes a step for each item, encodes those that have an element, and ends at once without items", () => {
  const { before: [none, one, two, three, ...more], steps, isFinished } = encode(["a", "", "b", "c"]);
  assert.deepEqual([none, more, steps, isFinished], [0, [], 4, true]);
  assert.ok(one !== undefined && one > 0);
  assert.deepEqual([two, three], [one, 2 * one]);
  assert.deepEqual(encode([]), { before: [], steps: 0, isFinished: true });
});
