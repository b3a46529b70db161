/**
 * UpdateFeatures, API key 57: changes the finalized levels of features. Each feature of this broker has one level
 * (18_api_versions.ts), so what is granted changes nothing, and everything else is refused as Kafka refuses levels that it does not support.
 *
 * v0 flexible (KIP-584) · v1 kind of upgrade, validateOnly (KIP-778) · v2 no result of each feature (KIP-1022).
 *
 * All of a request is refused for the first feature that cannot be changed, in the request's order. (Kafka takes the order of a hash map.) Of
 * a feature that is named twice, the last level counts. v0 cannot ask for a downgrade: Kafka does not read its allowDowngrade.
 *
 * Source: FeatureControlManager, QuorumFeatures and Feature of Apache Kafka 4.3.1, with their order of checks and their sentences.
 *
 * Not done: lower levels, at which a cluster of Kafka works with older brokers.
 */
import { errorCode } from "../protocol/error_codes.ts";
import {
  type UpdateFeaturesRequest,
  updateFeaturesRequest,
  type UpdateFeaturesResponse,
  updateFeaturesResponse,
} from "../protocol/messages/57_update_features.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { features } from "./18_api_versions.ts";

/** The row of UpdateFeatures. */
export const updateFeaturesApi = api({
  key: 57,
  name: "UpdateFeatures",
  served: [0, 2],
  request: updateFeaturesRequest,
  response: updateFeaturesResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: () => CLUSTER_REFUSAL,
  },
  elementsMax: 1 << 10, // features
  handle: handleUpdateFeatures,
});

/** Most characters of a feature's name in a sentence. */
const NAME_CHARACTERS_MAX = 200;
/** Last version whose answer has a result for each feature. */
const RESULTS_VERSION_MAX = 1;
/** Kafka's message of a result without an error. */
const NO_ERROR = "NONE";
/** Kinds of change (FeatureUpdate.UpgradeType). */
const upgradeTypes = { upgrade: 1, safeDowngrade: 2, unsafeDowngrade: 3 } as const;
const KNOWN_TYPES: readonly number[] = Object.values(upgradeTypes);
/** Features of Kafka 4.3 that are not implemented here, so their only level is 0: to turn them off changes nothing. */
const ABSENT_FEATURES: ReadonlySet<string> = new Set([
  "eligible.leader.replicas.version",
  "kraft.version",
  "share.version",
  "streams.version",
  "transaction.version",
]);
const ABSENT_LEVEL = 0;

/** Handles UpdateFeatures. */
export function handleUpdateFeatures(
  { featureUpdates }: UpdateFeaturesRequest,
  exchange: Exchange<UpdateFeaturesResponse>,
  { nodeId }: ShardServices,
): void {
  const updates = new Map(featureUpdates.map(({ feature, ...update }) => [feature, update]));
  for (const [feature, { maxVersionLevel: level, upgradeType }] of updates) {
    const reason = reasonAgainst({ feature, level, upgradeType }, nodeId);
    if (reason === null) continue;
    const refusal = `Invalid update version ${level} for feature ${shown(feature)}. ${reason}`;
    return exchange.respond({
      errorCode: errorCode.INVALID_UPDATE_VERSION,
      errorMessage: `The update failed for all features since the following feature had an error: ${refusal}`,
    });
  }
  const granted = { errorCode: errorCode.NONE, errorMessage: NO_ERROR };
  exchange.respond({
    errorCode: errorCode.NONE,
    errorMessage: null,
    results: exchange.apiVersion > RESULTS_VERSION_MAX
      ? []
      : featureUpdates.map(({ feature }) => ({ feature, ...granted })),
  });
}

/** Kafka's reason to refuse a change, null if there is none. */
function reasonAgainst(
  { feature, level, upgradeType }: { feature: string; level: number; upgradeType: number },
  nodeId: number,
): string | null {
  if (!KNOWN_TYPES.includes(upgradeType)) return "The controller does not support the given upgrade type.";
  if (level < 0) return "A feature version cannot be less than 0.";
  const only = features.get(feature) ?? ABSENT_LEVEL;
  if (level !== only) {
    return only === ABSENT_LEVEL
      ? `Local controller ${nodeId} does not support this feature.`
      : `Local controller ${nodeId} only supports versions ${only}`;
  }
  return features.has(feature) || ABSENT_FEATURES.has(feature) ? null : `Feature ${shown(feature)} not found.`;
}

/** A name that fits into a sentence. */
function shown(feature: string): string {
  return feature.slice(0, NAME_CHARACTERS_MAX);
}
