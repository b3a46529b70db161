/**
 * CreateAcls, API key 30: allows and denies. Plain data. Source: Kafka 4.3 CreateAclsRequest.json, CreateAclsResponse.json.
 *
 * v1 kind of pattern (KIP-290) · v2 flexible · v3 users as resources (KIP-373).
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const createAclsRequest = message({ apiKey: 30, versions: "1-3", flexible: "2+" }, {
  creations: field(
    array(struct({
      resourceType: field(int8, "1+"),
      resourceName: field(string, "1+"),
      resourcePatternType: field(int8, "1+", { default: 3 }), // 3 = literal
      principal: field(string, "1+"),
      host: field(string, "1+"),
      operation: field(int8, "1+"),
      permissionType: field(int8, "1+"),
    })),
    "1+",
  ),
});

/** The response, in all its versions. */
export const createAclsResponse = message({ apiKey: 30, versions: "1-3", flexible: "2+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0 }),
  results: field(
    array(struct({
      errorCode: field(int16, "1+"),
      errorMessage: field(string, "1+", { nullable: "1+" }),
    })),
    "1+",
  ), // one for each creation, in their order
});

/** A decoded request. */
export type CreateAclsRequest = Infer<typeof createAclsRequest>;
/** A response to be encoded. */
export type CreateAclsResponse = Encodable<typeof createAclsResponse>;
