/**
 * DescribeConfigs, API key 32. Plain data. Source: Kafka 4.3 DescribeConfigsRequest.json, DescribeConfigsResponse.json.
 *
 * v1 sources and synonyms (KIP-226) · v3 type and documentation (KIP-569) · v4 flexible (KIP-482). Kafka 4 refuses v0 (KIP-896).
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
export const describeConfigsRequest = message({ apiKey: 32, versions: "1-4", flexible: "4+" }, {
  resources: field(
    array(struct({
      resourceType: field(int8, "0+"), // 2 = topic, 4 = broker, 8 = broker logger
      resourceName: field(string, "0+"),
      configurationKeys: field(array(string), "0+", { nullable: "0+" }), // null = all
    })),
    "0+",
  ),
  includeSynonyms: field(bool, "1+", { default: false }),
  includeDocumentation: field(bool, "3+", { default: false }),
});

const describeConfigsResourceResult = struct({
  name: field(string, "0+"),
  value: field(string, "0+", { nullable: "0+" }),
  readOnly: field(bool, "0+"),
  configSource: field(int8, "1+", { default: -1, ignorable: true }),
  isSensitive: field(bool, "0+"),
  synonyms: field(
    array(struct({
      name: field(string, "1+"),
      value: field(string, "1+", { nullable: "0+" }),
      source: field(int8, "1+"),
    })),
    "1+",
    { default: [], ignorable: true },
  ),
  configType: field(int8, "3+", { default: 0, ignorable: true }),
  documentation: field(string, "3+", { nullable: "0+", default: null, ignorable: true }),
});

const describeConfigsResultFields = {
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+", default: null }),
  resourceType: field(int8, "0+"),
  resourceName: field(string, "0+"),
  configs: field(array(describeConfigsResourceResult), "0+"),
} as const;
const describeConfigsResult = struct(describeConfigsResultFields);

/** One resource's part of the response, for an answer that is encoded one resource at a time. */
export const describeConfigsElement = message(
  { apiKey: 32, versions: "1-4", flexible: "4+" },
  describeConfigsResultFields,
);

/** The response, in all its versions. */
export const describeConfigsResponse = message({ apiKey: 32, versions: "1-4", flexible: "4+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  results: field(array(describeConfigsResult), "0+"),
});

/** What a client asks. */
export type DescribeConfigsRequest = Infer<typeof describeConfigsRequest>;
/** What the broker answers. */
export type DescribeConfigsResponse = Encodable<typeof describeConfigsResponse>;
/** One resource's part of the answer. */
export type DescribeConfigsResult = Encodable<typeof describeConfigsResult>;
/** One config of it. */
export type DescribeConfigsResourceResult = Encodable<typeof describeConfigsResourceResult>;
