/**
 * ApiVersions, API key 18: the requests that the broker answers. Plain data. Source: Kafka 4.3 ApiVersionsRequest.json,
 * ApiVersionsResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 flexible body (KIP-482), client software (KIP-511), features (KIP-584) · v4 features may begin at
 * 0 (KAFKA-17011). The response header stays v0 in all of them, so that a client can read the answer to a version that the
 * broker does not know.
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
} from "../schema.ts";

/** The request, in all its versions. */
export const apiVersionsRequest = message({ apiKey: 18, versions: "0-4", flexible: "3+" }, {
  clientSoftwareName: field(string, "3+", { default: "", ignorable: true }),
  clientSoftwareVersion: field(string, "3+", { default: "", ignorable: true }),
});

/** The response, in all its versions. */
export const apiVersionsResponse = message({ apiKey: 18, versions: "0-4", flexible: "3+" }, {
  errorCode: field(int16, "0+"),
  apiKeys: field(
    array(struct({
      apiKey: field(int16, "0+"),
      minVersion: field(int16, "0+"),
      maxVersion: field(int16, "0+"),
    })),
    "0+",
  ),
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  supportedFeatures: field(
    array(struct({
      name: field(string, "3+"),
      minVersion: field(int16, "3+"),
      maxVersion: field(int16, "3+"),
    })),
    "3+",
    { tag: 0, taggedVersions: "3+", ignorable: true },
  ),
  finalizedFeaturesEpoch: field(int64, "3+", { default: -1, tag: 1, taggedVersions: "3+", ignorable: true }),
  finalizedFeatures: field(
    array(struct({
      name: field(string, "3+"),
      maxVersionLevel: field(int16, "3+"),
      minVersionLevel: field(int16, "3+"),
    })),
    "3+",
    { tag: 2, taggedVersions: "3+", ignorable: true },
  ),
  zkMigrationReady: field(bool, "3+", { default: false, tag: 3, taggedVersions: "3+", ignorable: true }),
});

/** What a client asks. */
export type ApiVersionsRequest = Infer<typeof apiVersionsRequest>;
/** What the broker answers. */
export type ApiVersionsResponse = Encodable<typeof apiVersionsResponse>;
