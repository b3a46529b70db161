/**
 * DescribeAcls, API key 29: who may do what. Plain data. Source: Kafka 4.3 DescribeAclsRequest.json, DescribeAclsResponse.json.
 *
 * v1 kind of pattern (KIP-290) · v2 flexible · v3 users as resources (KIP-373).
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const describeAclsRequest = message({ apiKey: 29, versions: "1-3", flexible: "2+" }, {
  resourceTypeFilter: field(int8, "1+"),
  resourceNameFilter: field(string, "1+", { nullable: "1+" }), // null: any
  patternTypeFilter: field(int8, "1+", { default: 3 }), // 3 = literal
  principalFilter: field(string, "1+", { nullable: "1+" }), // null: any
  hostFilter: field(string, "1+", { nullable: "1+" }), // null: any
  operation: field(int8, "1+"),
  permissionType: field(int8, "1+"),
});

/** The response, in all its versions. */
export const describeAclsResponse = message({ apiKey: 29, versions: "1-3", flexible: "2+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0 }),
  errorCode: field(int16, "1+", { default: 0 }),
  errorMessage: field(string, "1+", { nullable: "1+", default: null }),
  resources: field(
    array(struct({
      resourceType: field(int8, "1+"),
      resourceName: field(string, "1+"),
      patternType: field(int8, "1+", { default: 3 }),
      acls: field(
        array(struct({
          principal: field(string, "1+"),
          host: field(string, "1+"),
          operation: field(int8, "1+"),
          permissionType: field(int8, "1+"),
        })),
        "1+",
      ),
    })),
    "1+",
  ),
});

/** A decoded request. */
export type DescribeAclsRequest = Infer<typeof describeAclsRequest>;
/** A response to be encoded. */
export type DescribeAclsResponse = Encodable<typeof describeAclsResponse>;
