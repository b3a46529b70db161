/**
 * AlterConfigs, API key 33: replaces all configs of a resource (KIP-133; newer clients use IncrementalAlterConfigs). Plain data.
 * Source: Kafka 4.3 AlterConfigsRequest.json, AlterConfigsResponse.json.
 *
 * v2 flexible (KIP-482).
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
  value: field(string, "0+", { nullable: "0+" }),
});

const alterConfigsResource = struct({
  resourceType: field(int8, "0+"),
  resourceName: field(string, "0+"),
  configs: field(array(alterableConfig), "0+"),
});

/** The request, in all its versions. */
export const alterConfigsRequest = message({ apiKey: 33, versions: "0-2", flexible: "2+" }, {
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
export const alterConfigsResponse = message({ apiKey: 33, versions: "0-2", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  responses: field(array(alterConfigsResourceResponse), "0+"),
});

/** What a client asks. */
export type AlterConfigsRequest = Infer<typeof alterConfigsRequest>;
/** One resource of it. */
export type AlterConfigsResource = Infer<typeof alterConfigsResource>;
/** One config of that. */
export type AlterableConfig = Infer<typeof alterableConfig>;
/** What the broker answers. */
export type AlterConfigsResponse = Encodable<typeof alterConfigsResponse>;
/** One resource's part of the answer. */
export type AlterConfigsResourceResponse = Encodable<typeof alterConfigsResourceResponse>;
