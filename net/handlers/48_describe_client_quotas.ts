/**
 * DescribeClientQuotas, API key 48 (KIP-546): quotas of users, client ids and addresses, from the shard's copy of the image.
 *
 * v1 flexible. An answer is made over several turns, one entity at a time.
 *
 * Source: Kafka's ClientQuotasImage.describe, with its sentences and in its order of checks.
 */
import { type ClientQuota, quotaEntityTypes } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import { encodeInSlices } from "../requests/encoded_slices.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DescribeClientQuotasRequest,
  describeClientQuotasRequest,
  type DescribeClientQuotasResponse,
  describeClientQuotasResponse,
  type DescribedQuota,
  describedQuotaElement,
  matchTypes,
  type QuotaFilterComponent,
} from "../protocol/messages/48_describe_client_quotas.ts";

/** The row of DescribeClientQuotas. */
export const describeClientQuotasApi = api({
  key: 48,
  name: "DescribeClientQuotas",
  served: [0, 1],
  request: describeClientQuotasRequest,
  response: describeClientQuotasResponse,
  needs: {
    operation: "DESCRIBE_CONFIGS",
    resourceOf: () => CLUSTER,
    refuse: () => ({ ...CLUSTER_REFUSAL, entries: null }),
  },
  elementsMax: 1 << 10, // conditions; a valid request has one for each type of entity
  isReadOnly: true,
  handle: handleDescribeClientQuotas,
});

/** Most characters of a client's text in an error message. */
const SHOWN_CHARACTERS_MAX = 200;

/** Handles DescribeClientQuotas. */
export function handleDescribeClientQuotas(
  request: DescribeClientQuotasRequest,
  exchange: Exchange<DescribeClientQuotasResponse>,
  { image, slices }: ShardServices,
): void {
  const refusal = refuse(request.components);
  if (refusal !== null) return exchange.respond(refusal);
  encodeInSlices(
    {
      items: image.clientQuotas,
      element: describedQuotaElement,
      describe: (quota) => matches(quota, request) ? described(quota) : null,
    },
    { slices, exchange },
    (entries) => exchange.respond({ errorCode: errorCode.NONE, errorMessage: "", entries }),
  );
}

function refuse(components: readonly QuotaFilterComponent[]): DescribeClientQuotasResponse | null {
  const types = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (entityType === "") return refused("INVALID_REQUEST", "Invalid empty entity type.");
    if (types.has(entityType)) {
      return refused("INVALID_REQUEST", `Entity type ${entityType} cannot appear more than once in the filter.`);
    }
    if (!quotaEntityTypes.some((type) => type === entityType)) {
      const type = entityType.slice(0, SHOWN_CHARACTERS_MAX);
      return refused("UNSUPPORTED_VERSION", `Unsupported entity type ${type}`);
    }
    const wrong = refuseMatch(matchType, match);
    if (wrong !== null) return refused("INVALID_REQUEST", wrong);
    types.add(entityType);
  }
  if (!types.has("ip") || types.size === 1) return null;
  return refused(
    "INVALID_REQUEST",
    "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.",
  );
}

function refuseMatch(matchType: number, match: string | null): string | null {
  switch (matchType) {
    case matchTypes.exact:
      return match === null ? "Request specified MATCH_TYPE_EXACT, but set match string to null." : null;
    case matchTypes.default:
      return match === null ? null : "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.";
    case matchTypes.specified:
      return match === null ? null : "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.";
  }
  return `Unknown match type ${matchType}`;
}

function refused(name: keyof typeof errorCode, message: string): DescribeClientQuotasResponse {
  return { errorCode: errorCode[name], errorMessage: message, entries: null };
}

function matches({ entity }: ClientQuota, { components, strict }: DescribeClientQuotasRequest): boolean {
  const names: Readonly<Record<string, string | null | undefined>> = entity;
  if (strict && Object.keys(names).length !== components.length) return false;
  return components.every(({ entityType, matchType, match }) =>
    matchType === matchTypes.specified ? names[entityType] !== undefined : names[entityType] === match
  );
}

function described({ entity, values }: ClientQuota): DescribedQuota {
  return {
    entity: quotaEntityTypes.flatMap((entityType) => {
      const entityName = entity[entityType];
      return entityName === undefined ? [] : [{ entityType, entityName }];
    }),
    values: Object.entries(values).map(([key, value]) => ({ key, value })),
  };
}
