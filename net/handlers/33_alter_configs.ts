/**
 * AlterConfigs, API key 33, and what it shares with IncrementalAlterConfigs (44): checks who may change configs; the control plane
 * changes them. This API removes the configs that a request does not name, which is why clients use the other one (KIP-339).
 *
 * v2 flexible. The answer is sent when every shard uses the new configs and they are durable.
 *
 * Not done: settings of brokers that change while they run, broker loggers, client metrics, policies
 * (`alter.config.policy.class.name`).
 */
import { type AlterationResult, type ConfigAlteration, configOperations } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { refuseConfigAccess } from "../requests/config_access.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type AlterConfigsRequest,
  alterConfigsRequest,
  type AlterConfigsResourceResponse,
  type AlterConfigsResponse,
  alterConfigsResponse,
} from "../protocol/messages/33_alter_configs.ts";
import { plainConstructor } from "../protocol/plain_constructor.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of AlterConfigs. */
export const alterConfigsApi = api({
  key: 33,
  name: "AlterConfigs",
  served: [0, 2],
  request: alterConfigsRequest,
  response: alterConfigsResponse,
  elementsMax: 1 << 13, // resources, configs
  handle: handleAlterConfigs,
});

/** One for each resource, or config, of a request, so they are not made by literals (plain_constructor.ts). */
export const Alteration = plainConstructor<ConfigAlteration>()(
  "resourceType",
  "resourceName",
  "operations",
  "replacesAll",
);
/** An operation of it. */
export const AlteringOperation = plainConstructor<ConfigAlteration["operations"][number]>()(
  "name",
  "value",
  "configOperation",
);

/** Handles AlterConfigs. */
export function handleAlterConfigs(
  { resources, validateOnly }: AlterConfigsRequest,
  exchange: Exchange<AlterConfigsResponse>,
  services: ShardServices,
): void {
  const alterations = resources.map(({ resourceType, resourceName, configs }) => {
    const operations = configs.map(({ name, value }) => new AlteringOperation(name, value, configOperations.set));
    return new Alteration(resourceType, resourceName, operations, true);
  });
  alterConfigs({ alterations, validateOnly }, exchange, services);
}

/** Changes configs and answers, for both APIs. */
export function alterConfigs(
  { alterations, validateOnly }: { alterations: readonly ConfigAlteration[]; validateOnly: boolean },
  exchange: Exchange<AlterConfigsResponse>,
  { control }: ShardServices,
): void {
  const { context } = exchange;
  const codes = alterations.map((resource) => {
    const refusal = refuseConfigAccess(context, "ALTER_CONFIGS", resource);
    return refusal === null ? errorCode.NONE : errorCode[refusal];
  });
  const allowed = alterations.filter((_, index) => codes[index] === errorCode.NONE);
  askControl({ name: "alterConfigs", args: { resources: allowed, validateOnly } }, { control, exchange }, (result) => {
    const results = isFailure(result)
      ? allowed.map(() => ({ errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: result.failure }))
      : result;
    let next = 0;
    const responses = alterations.map((resource, index): AlterConfigsResourceResponse => {
      const { resourceType, resourceName } = resource;
      const code = codes[index] as number;
      const refused = { errorCode: code, errorMessage: errorMessage(code) };
      const outcome = code === errorCode.NONE ? results[next++] as AlterationResult : refused;
      return { ...outcome, resourceType, resourceName };
    });
    exchange.respond({ responses });
  });
}
