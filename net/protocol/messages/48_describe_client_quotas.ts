/**
 * DescribeClientQuotas, API key 48: quotas of users, client ids and addresses (KIP-546). Plain data. Source: Kafka 4.3
 * DescribeClientQuotasRequest.json, DescribeClientQuotasResponse.json.
 *
 * v1 flexible (KIP-482).
 */
import {
  array,
  bool,
  type Encodable,
  field,
  float64,
  type Infer,
  int16,
  int32,
  int8,
  message,
  string,
  struct,
} from "../schema.ts";

/** Ways to match the name of an entity. */
export const matchTypes = { exact: 0, default: 1, specified: 2 } as const;

const component = struct({
  entityType: field(string, "0+"),
  matchType: field(int8, "0+"), // 0 = this name, 1 = the default, 2 = any of this type
  match: field(string, "0+", { nullable: "0+" }),
});

/** The request, in all its versions. */
export const describeClientQuotasRequest = message({ apiKey: 48, versions: "0-1", flexible: "1+" }, {
  components: field(array(component), "0+"),
  strict: field(bool, "0+"), // whether an entity must have no other types
});

const describedEntity = struct({
  entityType: field(string, "0+"),
  entityName: field(string, "0+", { nullable: "0+" }), // null = the default
});

const describedQuotaFields = {
  entity: field(array(describedEntity), "0+"),
  values: field(array(struct({ key: field(string, "0+"), value: field(float64, "0+") })), "0+"),
} as const;
const describedQuota = struct(describedQuotaFields);

/** One entity of the response, for an answer that is encoded one entity at a time. */
export const describedQuotaElement = message({ apiKey: 48, versions: "0-1", flexible: "1+" }, describedQuotaFields);

/** The response, in all its versions. */
export const describeClientQuotasResponse = message({ apiKey: 48, versions: "0-1", flexible: "1+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  entries: field(array(describedQuota), "0+", { nullable: "0+" }),
});

/** What a client asks. */
export type DescribeClientQuotasRequest = Infer<typeof describeClientQuotasRequest>;
/** One condition of it. */
export type QuotaFilterComponent = Infer<typeof component>;
/** What the broker answers. */
export type DescribeClientQuotasResponse = Encodable<typeof describeClientQuotasResponse>;
/** One entity of the answer. */
export type DescribedQuota = Encodable<typeof describedQuota>;
