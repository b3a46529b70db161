/**
 * ApiVersions, API key 18: lists the requests that this broker answers.
 *
 * v0 · v1 throttle time · v3 flexible, client software is named and checked (KIP-511), features (KIP-584) · v4. Any
 * other version is answered in the form of v0 with UNSUPPORTED_VERSION and the range of this API alone, from which
 * clients choose another version.
 *
 * Features: `metadata.version` 30 (4.3-IV0), from which tools derive the abilities of a cluster (kafka-ui: IncrementalAlterConfigs, the
 * documentation of configs), and `group.version` 1, consumer groups (KIP-848). Features that are not implemented are not listed
 * (`transaction.version`, `share.version`, `streams.version`, `eligible.leader.replicas.version`). Each has one level that is supported,
 * which is the finalized one (57_update_features.ts); Kafka supports lower ones, too.
 *
 * Their epoch is the version of the metadata image, which rises with each change. In Kafka it is the offset in the metadata log.
 */
import type { MetadataImage } from "../../partitions/metadata/image.ts";
import { api, type Handler } from "../requests/api.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import type { ShardServices } from "../requests/handler.ts";
import type { Api } from "../protocol/api.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type ApiVersionsRequest,
  apiVersionsRequest,
  type ApiVersionsResponse,
  apiVersionsResponse,
} from "../protocol/messages/18_api_versions.ts";

/** The row of ApiVersions. */
export const apiVersionsApi = api({
  key: 18,
  name: "ApiVersions",
  served: [0, 4],
  request: apiVersionsRequest,
  response: apiVersionsResponse,
  isTimeFree: true,
  isReadOnly: true,
  handlerOf: apiVersionsHandlerOf,
  handleUnserved: refuseVersion,
});

/** First version in which clients name their software. */
const SOFTWARE_VERSION = 3;
/** The layout in which every client can read the refusal of a version (ApiVersionsRequest.getErrorResponse). */
const FALLBACK_VERSION = 0;
/** Valid software names and versions (ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN), matched in linear time. */
const SOFTWARE = /^[a-zA-Z0-9]([a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
/** Longer names are cut before they are stored: the client chooses the length, and the broker keeps one per connection. */
const SOFTWARE_CHARACTERS_MAX = 100;

/** The level that Kafka 4.3.1 finalizes for a new cluster: 4.3-IV0 (MetadataVersion.LATEST_PRODUCTION). */
const METADATA_VERSION = 30;
/** The features that this broker has, with their only level. */
export const features: ReadonlyMap<string, number> = new Map([
  ["group.version", 1],
  ["metadata.version", METADATA_VERSION],
]);
const supportedFeatures = Array.from(features, ([name, level]) => ({ name, minVersion: level, maxVersion: level }));
const finalizedFeatures = Array.from(
  features,
  ([name, level]) => ({ name, minVersionLevel: level, maxVersionLevel: level }),
);

/** Makes the handler. The list of APIs is the same for all clients, and is built once. */
function apiVersionsHandlerOf({ apis }: ShardServices): Handler<ApiVersionsRequest, ApiVersionsResponse> {
  const apiKeys = apis.flatMap(listed);
  return (request, exchange, { image }) => answer(request, exchange, { image, apiKeys });
}

function answer(
  request: ApiVersionsRequest,
  exchange: RequestExchange<ApiVersionsResponse>,
  { image, apiKeys }: { image: MetadataImage; apiKeys: ApiVersionsResponse["apiKeys"] },
): void {
  const { context, apiVersion } = exchange;
  if (apiVersion >= SOFTWARE_VERSION) {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    if (!SOFTWARE.test(clientSoftwareName) || !SOFTWARE.test(clientSoftwareVersion)) {
      return exchange.respond({ errorCode: errorCode.INVALID_REQUEST, apiKeys: [] });
    }
    context.clientSoftware = `${cut(clientSoftwareName)} ${cut(clientSoftwareVersion)}`;
  }
  exchange.respond({
    errorCode: errorCode.NONE,
    apiKeys,
    supportedFeatures,
    finalizedFeaturesEpoch: image.version,
    finalizedFeatures,
  });
}

/** Answers a version that is not served. */
function refuseVersion(exchange: RequestExchange): void {
  const response = { errorCode: errorCode.UNSUPPORTED_VERSION, apiKeys: listed(apiVersionsApi) };
  exchange.respondWith((writer) => apiVersionsResponse.encode(writer, FALLBACK_VERSION, response), FALLBACK_VERSION);
}

function listed({ key, advertised }: Api): ApiVersionsResponse["apiKeys"] {
  return advertised === null ? [] : [{ apiKey: key, minVersion: advertised[0], maxVersion: advertised[1] }];
}

function cut(text: string): string {
  return text.slice(0, SOFTWARE_CHARACTERS_MAX);
}
