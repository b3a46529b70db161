import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { UpdateFeaturesResponse } from "../protocol/messages/57_update_features.ts";
import { handleUpdateFeatures } from "./57_update_features.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

type Update = readonly [feature: string, level: number, upgradeType?: number];

const { services } = testServices();
const [UPGRADE, SAFE, UNSAFE] = [1, 2, 3];
const ALL_FAILED = "The update failed for all features since the following feature had an error: ";

function update(updates: readonly Update[], { version = 2, validateOnly = false } = {}) {
  const exchange = new WireExchange<UpdateFeaturesResponse>(57, version);
  const featureUpdates = updates.map(([feature, maxVersionLevel, upgradeType = UPGRADE]) => {
    return { feature, maxVersionLevel, upgradeType, allowDowngrade: false };
  });
  handleUpdateFeatures({ timeoutMs: 1000, featureUpdates, validateOnly }, exchange, services);
  return exchange.answer;
}

for (const version of servedVersions(57)) {
  Deno.test(`handleUpdateFeatures() v${version} grants the levels that are finalized, and turns off what is off`, () => {
    const updates: Update[] = [["metadata.version", 30], ["group.version", 1], ["share.version", 0]];
    const { errorCode: code, errorMessage, results } = update(updates, { version });
    assert.deepEqual([code, errorMessage], [errorCode.NONE, null]);
    const each = updates.map(([feature]) => ({ feature, errorCode: 0, errorMessage: "NONE" }));
    assert.deepEqual(results, version <= 1 ? each : []);
  });
}

Deno.test("handleUpdateFeatures() grants nothing at all, and dry runs", () => {
  assert.deepEqual(update([]).errorCode, errorCode.NONE);
  assert.deepEqual(update([["group.version", 1]], { validateOnly: true }).errorCode, errorCode.NONE);
  assert.deepEqual(update([["group.version", 2]], { validateOnly: true }).errorCode, errorCode.INVALID_UPDATE_VERSION);
});

Deno.test("handleUpdateFeatures() refuses other levels, features and kinds of change with Kafka's sentences", () => {
  const refusals: [Update, sentence: string][] = [
    [["metadata.version", 31], "Local controller 1 only supports versions 30"],
    [["metadata.version", 25, SAFE], "Local controller 1 only supports versions 30"],
    [["metadata.version", 0, UNSAFE], "Local controller 1 only supports versions 30"],
    [["group.version", 0, SAFE], "Local controller 1 only supports versions 1"],
    [["group.version", 2], "Local controller 1 only supports versions 1"],
    [["share.version", 1], "Local controller 1 does not support this feature."],
    [["no.such", 1], "Local controller 1 does not support this feature."],
    [["no.such", 0, SAFE], "Feature no.such not found."],
    [["group.version", -1], "A feature version cannot be less than 0."],
    [["group.version", 1, 0], "The controller does not support the given upgrade type."],
    [["group.version", 1, 4], "The controller does not support the given upgrade type."],
  ];
  for (const [[feature, level, type], sentence] of refusals) {
    const { errorCode: code, errorMessage, results } = update([["metadata.version", 30], [feature, level, type]], {
      version: 1,
    });
    assert.deepEqual([code, results], [errorCode.INVALID_UPDATE_VERSION, []]);
    assert.equal(errorMessage, `${ALL_FAILED}Invalid update version ${level} for feature ${feature}. ${sentence}`);
  }
});

Deno.test("handleUpdateFeatures() takes the last level of a feature that is named twice", () => {
  assert.equal(update([["group.version", 9], ["group.version", 1]]).errorCode, errorCode.NONE);
  assert.equal(update([["group.version", 1], ["group.version", 9]]).errorCode, errorCode.INVALID_UPDATE_VERSION);
});

Deno.test("handleUpdateFeatures() shows the beginning of a long name", () => {
  const { errorMessage } = update([["n".repeat(10_000), 0, SAFE]]);
  const shown = "n".repeat(200);
  assert.equal(
    errorMessage,
    `${ALL_FAILED}Invalid update version 0 for feature ${shown}. Feature ${shown} not found.`,
  );
});
