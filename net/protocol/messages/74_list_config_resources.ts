/**
 * ListConfigResources, API key 74: names of resources that have configs (KIP-1142). Plain data. Source: Kafka 4.3
 * ListConfigResourcesRequest.json, ListConfigResourcesResponse.json.
 *
 * v0 client metrics alone (ListClientMetricsResources, KIP-714) · v1 resource types; an empty list = all types that have configs.
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const listConfigResourcesRequest = message({ apiKey: 74, versions: "0-1", flexible: "0+" }, {
  resourceTypes: field(array(int8), "1+", { default: [] }),
});

const configResource = struct({
  resourceName: field(string, "0+"),
  resourceType: field(int8, "1+", { default: 16, ignorable: true }),
});

/** The response, in all its versions. */
export const listConfigResourcesResponse = message({ apiKey: 74, versions: "0-1", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  configResources: field(array(configResource), "0+"),
});

/** What a client asks. */
export type ListConfigResourcesRequest = Infer<typeof listConfigResourcesRequest>;
/** What the broker answers. */
export type ListConfigResourcesResponse = Encodable<typeof listConfigResourcesResponse>;
/** One resource. */
export type ConfigResource = Encodable<typeof configResource>;
