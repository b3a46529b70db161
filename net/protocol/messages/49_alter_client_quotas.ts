/**
 * AlterClientQuotas, API key 49: sets and removes quotas of users, client ids and addresses (KIP-546). Plain data. Source: Kafka 4.3
 * AlterClientQuotasRequest.json, AlterClientQuotasResponse.json.
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
  message,
  string,
  struct,
} from "../schema.ts";

const namedEntity = struct({
  entityType: field(string, "0+"),
  entityName: field(string, "0+", { nullable: "0+" }), // null = the default
});

const quotaOperation = struct({
  key: field(string, "0+"),
  value: field(float64, "0+"), // without meaning where the quota is removed
  remove: field(bool, "0+"),
});

const alteredQuota = struct({
  entity: field(array(namedEntity), "0+"),
  ops: field(array(quotaOperation), "0+"),
});

/** The request, in all its versions. */
export const alterClientQuotasRequest = message({ apiKey: 49, versions: "0-1", flexible: "1+" }, {
  entries: field(array(alteredQuota), "0+"),
  validateOnly: field(bool, "0+"),
});

const alteredQuotaResult = struct({
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  entity: field(array(namedEntity), "0+"),
});

/** The response, in all its versions. */
export const alterClientQuotasResponse = message({ apiKey: 49, versions: "0-1", flexible: "1+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  entries: field(array(alteredQuotaResult), "0+"),
});

/** What a client asks. */
export type AlterClientQuotasRequest = Infer<typeof alterClientQuotasRequest>;
/** The changes of one entity. */
export type AlteredQuota = Infer<typeof alteredQuota>;
/** One type of an entity, with its name. */
export type NamedEntity = Infer<typeof namedEntity>;
/** What the broker answers. */
export type AlterClientQuotasResponse = Encodable<typeof alterClientQuotasResponse>;
/** One entity's part of the answer. */
export type AlteredQuotaResult = Encodable<typeof alteredQuotaResult>;
