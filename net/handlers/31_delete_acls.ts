/**
 * DeleteAcls, API key 31: removes what was allowed and denied. There is no authorizer, so each filter is refused with SECURITY_DISABLED,
 * as in Kafka without `authorizer.class.name`.
 *
 * v1 kind of pattern (KIP-290) · v2 flexible · v3 users as resources (KIP-373).
 *
 * Not done: an authorizer.
 */
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import { MadeList } from "../protocol/made_list.ts";
import {
  type DeleteAclsRequest,
  deleteAclsRequest,
  type DeleteAclsResponse,
  deleteAclsResponse,
} from "../protocol/messages/31_delete_acls.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import type { Exchange } from "../requests/handler.ts";
import { hasUnknownKind, NO_AUTHORIZER } from "./29_describe_acls.ts";

/** The row of DeleteAcls. */
export const deleteAclsApi = api({
  key: 31,
  name: "DeleteAcls",
  served: [1, 3],
  request: deleteAclsRequest,
  response: deleteAclsResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: (request) => refuse(request, errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 13, // filters
  handle: handleDeleteAcls,
});

/** Handles DeleteAcls. */
export function handleDeleteAcls(request: DeleteAclsRequest, exchange: Exchange<DeleteAclsResponse>): void {
  if (request.filters.some((filter) => hasUnknownKind(filter, filter.resourceTypeFilter, filter.patternTypeFilter))) {
    return exchange.close("DeleteAcls names a kind UNKNOWN");
  }
  exchange.respond(refuse(request, errorCode.SECURITY_DISABLED, NO_AUTHORIZER));
}

/** Refuses every filter of a request, as Kafka does. */
function refuse({ filters }: DeleteAclsRequest, code: number, message = errorMessage(code)): DeleteAclsResponse {
  const refusal = { errorCode: code, errorMessage: message, matchingAcls: [] };
  return { filterResults: new MadeList(filters.length, () => refusal).asArray };
}
