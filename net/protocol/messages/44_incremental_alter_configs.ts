/**
 * IncrementalAlterConfigs, API key 44: changes single configs of a resource (KIP-339). Plain data. Source: Kafka 4.3
 * IncrementalAlterConfigsRequest.json, IncrementalAlterConfigsResponse.json.
 *
 * v1 flexible (KIP-482).
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

const alterableConfig = struct({
  name: field(string, "0+"),
  configOperation: field(int8, "0+"), // 0 = set, 1 = delete, 2 = append, 3 = subtract
  value: field(string, "0+", { nullable: "0+" }),
});

const alterConfigsResource = struct({
  resourceType: field(int8, "0+"),
  resourceName: field(string, "0+"),
  configs: field(array(alterableConfig), "0+"),
});

/** The request, in all its versions. */
export const incrementalAlterConfigsRequest = message({ apiKey: 44, versions: "0-1", flexible: "1+" }, {
  resources: field(array(alterConfigsResource), "0+"),
  validateOnly: field(bool, "0+"),
});

const alterConfigsResourceResponse = struct({
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  resourceType: field(int8, "0+"),
  resourceName: field(string, "0+"),
});

/** The response, in all its versions. */
export const incrementalAlterConfigsResponse = message({ apiKey: 44, versions: "0-1", flexible: "1+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  responses: field(array(alterConfigsResourceResponse), "0+"),
});

/** What a client asks. */
export type IncrementalAlterConfigsRequest = Infer<typeof incrementalAlterConfigsRequest>;
/** A request to encode. */
export type IncrementalAlterConfigsPacked = Encodable<typeof incrementalAlterConfigsRequest>;
/** One resource of it. */
export type AlterConfigsResource = Infer<typeof alterConfigsResource>;
/** One change of that. */
export type AlterableConfig = Infer<typeof alterableConfig>;
/** What the broker answers. */
export type IncrementalAlterConfigsResponse = Encodable<typeof incrementalAlterConfigsResponse>;
/** One resource's part of the answer. */
export type AlterConfigsResourceResponse = Encodable<typeof alterConfigsResourceResponse>;
