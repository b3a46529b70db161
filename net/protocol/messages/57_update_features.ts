/**
 * UpdateFeatures, API key 57: changes the finalized levels of features (KIP-584). Plain data. Source: Kafka 4.3
 * UpdateFeaturesRequest.json, UpdateFeaturesResponse.json.
 *
 * v0 flexible · v1 kind of upgrade, validateOnly (KIP-778) · v2 no result of each feature (KIP-1022).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int8,
  message,
  string,
  struct,
} from "../schema.ts";

/** The request, in all its versions. */
export const updateFeaturesRequest = message({ apiKey: 57, versions: "0-2", flexible: "0+" }, {
  timeoutMs: field(int32, "0+", { default: 60_000 }),
  featureUpdates: field(
    array(struct({
      feature: field(string, "0+"),
      maxVersionLevel: field(int16, "0+"),
      allowDowngrade: field(bool, "0"),
      upgradeType: field(int8, "1+", { default: 1 }), // 1 = upgrade, 2 = safe downgrade, 3 = unsafe downgrade
    })),
    "0+",
  ),
  validateOnly: field(bool, "1+", { default: false }),
});

/** The response, in all its versions. */
export const updateFeaturesResponse = message({ apiKey: 57, versions: "0-2", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  results: field(
    array(struct({
      feature: field(string, "0+"),
      errorCode: field(int16, "0+"),
      errorMessage: field(string, "0+", { nullable: "0+" }),
    })),
    "0-1",
    { default: [], ignorable: true },
  ),
});

/** A decoded request. */
export type UpdateFeaturesRequest = Infer<typeof updateFeaturesRequest>;
/** A response to be encoded. */
export type UpdateFeaturesResponse = Encodable<typeof updateFeaturesResponse>;
