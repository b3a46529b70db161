/**
 * DeleteAcls, API key 31: removes what was allowed and denied. Plain data. Source: Kafka 4.3 DeleteAclsRequest.json,
 * DeleteAclsResponse.json.
 *
 * v1 kind of pattern (KIP-290) · v2 flexible · v3 users as resources (KIP-373).
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const deleteAclsRequest = message({ apiKey: 31, versions: "1-3", flexible: "2+" }, {
  filters: field(
    array(struct({
      resourceTypeFilter: field(int8, "1+"),
      resourceNameFilter: field(string, "1+", { nullable: "1+" }), // null: any
      patternTypeFilter: field(int8, "1+", { default: 3 }), // 3 = literal
      principalFilter: field(string, "1+", { nullable: "1+" }), // null: any
      hostFilter: field(string, "1+", { nullable: "1+" }), // null: any
      operation: field(int8, "1+"),
      permissionType: field(int8, "1+"),
    })),
    "1+",
  ),
});

/** The response, in all its versions. */
export const deleteAclsResponse = message({ apiKey: 31, versions: "1-3", flexible: "2+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0 }),
  filterResults: field(
    array(struct({
      errorCode: field(int16, "1+"),
      errorMessage: field(string, "1+", { nullable: "1+" }),
      matchingAcls: field(
        array(struct({
          errorCode: field(int16, "1+"),
          errorMessage: field(string, "1+", { nullable: "1+" }),
          resourceType: field(int8, "1+"),
          resourceName: field(string, "1+"),
          patternType: field(int8, "1+", { default: 3 }),
          principal: field(string, "1+"),
          host: field(string, "1+"),
          operation: field(int8, "1+"),
          permissionType: field(int8, "1+"),
        })),
        "1+",
      ),
    })),
    "1+",
  ), // one for each filter, in their order
});

/** A decoded request. */
export type DeleteAclsRequest = Infer<typeof deleteAclsRequest>;
/** A response to be encoded. */
export type DeleteAclsResponse = Encodable<typeof deleteAclsResponse>;
