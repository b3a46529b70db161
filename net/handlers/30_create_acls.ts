/**
 * CreateAcls, API key 30: allows and denies. There is no authorizer, so each is refused with SECURITY_DISABLED, as in Kafka without
 * `authorizer.class.name`.
 *
 * v1 kind of pattern (KIP-290) · v2 flexible · v3 users as resources (KIP-373).
 *
 * Not done: an authorizer.
 */
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import { MadeList } from "../protocol/made_list.ts";
import {
  type CreateAclsRequest,
  createAclsRequest,
  type CreateAclsResponse,
  createAclsResponse,
} from "../protocol/messages/30_create_acls.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import type { Exchange } from "../requests/handler.ts";
import { hasUnknownKind, NO_AUTHORIZER } from "./29_describe_acls.ts";

/** The row of CreateAcls. */
export const createAclsApi = api({
  key: 30,
  name: "CreateAcls",
  served: [1, 3],
  request: createAclsRequest,
  response: createAclsResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: (request) => refuse(request, errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 13, // ACLs
  handle: handleCreateAcls,
});

/** Handles CreateAcls. */
export function handleCreateAcls(request: CreateAclsRequest, exchange: Exchange<CreateAclsResponse>): void {
  if (request.creations.some((acl) => hasUnknownKind(acl, acl.resourceType, acl.resourcePatternType))) {
    return exchange.close("CreateAcls names a kind UNKNOWN");
  }
  exchange.respond(refuse(request, errorCode.SECURITY_DISABLED, NO_AUTHORIZER));
}

/** Refuses every ACL of a request, as Kafka does. */
function refuse({ creations }: CreateAclsRequest, code: number, message = errorMessage(code)): CreateAclsResponse {
  const refusal = { errorCode: code, errorMessage: message };
  return { results: new MadeList(creations.length, () => refusal).asArray };
}
