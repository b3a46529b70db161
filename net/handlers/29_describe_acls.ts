/**
 * DescribeAcls, API key 29: lists who may do what. There is no authorizer, so it is refused with SECURITY_DISABLED, as in Kafka without
 * `authorizer.class.name`. Tools then show no page for ACLs.
 *
 * v1 kind of pattern (KIP-290) · v2 flexible · v3 users as resources (KIP-373).
 *
 * Not done: an authorizer.
 */
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DescribeAclsRequest,
  describeAclsRequest,
  type DescribeAclsResponse,
  describeAclsResponse,
} from "../protocol/messages/29_describe_acls.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import type { Exchange } from "../requests/handler.ts";

/** The row of DescribeAcls. */
export const describeAclsApi = api({
  key: 29,
  name: "DescribeAcls",
  served: [1, 3],
  request: describeAclsRequest,
  response: describeAclsResponse,
  needs: {
    operation: "DESCRIBE",
    resourceOf: () => CLUSTER,
    refuse: () => ({ ...CLUSTER_REFUSAL, resources: [] }),
  },
  isReadOnly: true,
  handle: handleDescribeAcls,
});

/** Why ACLs are neither listed nor changed. Kafka has two sentences for it (AclApis). */
export const NO_AUTHORIZER = "No Authorizer is configured.";
const NO_AUTHORIZER_TO_DESCRIBE = "No Authorizer is configured on the broker";
/** In place of a kind of resource, pattern, operation or permission: one that the client does not know itself. */
const UNKNOWN = 0;

/** What an ACL, or a filter of ACLs, says about kinds. */
export interface AclKinds {
  readonly operation: number;
  readonly permissionType: number;
}

/** Whether a client names a kind that it does not know: Kafka cannot parse such a request, and closes the connection. */
export function hasUnknownKind({ operation, permissionType }: AclKinds, resource: number, pattern: number): boolean {
  return [operation, permissionType, resource, pattern].includes(UNKNOWN);
}

/** Handles DescribeAcls. */
export function handleDescribeAcls(request: DescribeAclsRequest, exchange: Exchange<DescribeAclsResponse>): void {
  if (hasUnknownKind(request, request.resourceTypeFilter, request.patternTypeFilter)) {
    return exchange.close("DescribeAcls names a kind UNKNOWN");
  }
  exchange.respond({
    errorCode: errorCode.SECURITY_DISABLED,
    errorMessage: NO_AUTHORIZER_TO_DESCRIBE,
    resources: [],
  });
}
