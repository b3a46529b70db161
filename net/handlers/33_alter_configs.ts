/**
 * AlterConfigs, API key 33, and what it shares with IncrementalAlterConfigs (44): checks who may change configs; the control plane
 * changes them. This API removes the configs that a request does not name, which is why clients use the other one (KIP-339).
 *
 * v2 flexible. The answer is sent when every shard uses the new configs and they are durable.
 *
 * Settings of a broker are changed by the broker that they are about, and those of all by any.
 *
 * Not done: broker loggers, client metrics, policies (`alter.config.policy.class.name`).
 */
import { type AlterationResult, configOperations, type ControlFailure, packAlterations } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
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
import { MadeList } from "../protocol/made_list.ts";
import type { AlterableConfig, AlterConfigsResource } from "../protocol/messages/44_incremental_alter_configs.ts";
import { newArray, plainConstructor } from "../protocol/plain_constructor.ts";
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

// What is made for each resource or config of a request is not made by literals (plain_constructor.ts).
const AlteringConfig = plainConstructor<AlterableConfig>()("name", "configOperation", "value");
const AlteredResource = plainConstructor<AlterConfigsResource>()("resourceType", "resourceName", "configs");
const Asked = plainConstructor<AskedResource>()("resourceType", "resourceName", "errorCode");
const Answered = plainConstructor<AlterConfigsResourceResponse>()(
  "errorCode",
  "errorMessage",
  "resourceType",
  "resourceName",
);

/** What is kept of a resource until the answer. */
interface AskedResource {
  readonly resourceType: number;
  readonly resourceName: string;
  /** NONE when the client may change its configs. */
  readonly errorCode: number;
}

/** Handles AlterConfigs. */
export function handleAlterConfigs(
  { resources, validateOnly }: AlterConfigsRequest,
  exchange: Exchange<AlterConfigsResponse>,
  services: ShardServices,
): void {
  const altered = MadeList.from(resources, ({ resourceType, resourceName, configs }): AlterConfigsResource => {
    const set = MadeList.from(configs, ({ name, value }) => new AlteringConfig(name, configOperations.set, value));
    return new AlteredResource(resourceType, resourceName, set.asArray);
  });
  alterConfigs({ resources: altered, validateOnly, replacesAll: true }, exchange, services);
}

/** Changes configs and answers, for both APIs. Until the answer the changes exist as bytes only. */
export function alterConfigs(
  { resources, validateOnly, replacesAll }: {
    resources: MadeList<AlterConfigsResource>;
    validateOnly: boolean;
    replacesAll: boolean;
  },
  exchange: Exchange<AlterConfigsResponse>,
  { control }: ShardServices,
): void {
  const asked = check(resources, exchange.context);
  const args = packAlterations({ resources: allowedOf(resources, asked).asArray, validateOnly }, replacesAll);
  askControl({ name: "alterConfigs", args }, { control, exchange }, answerTo(asked, exchange));
}

/** Checks which resources the client may change. */
function check(resources: MadeList<AlterConfigsResource>, context: ConnectionContext): readonly AskedResource[] {
  const asked = newArray<AskedResource>(resources.length);
  for (let index = 0; index < resources.length; index++) {
    const { resourceType, resourceName } = resources.at(index);
    const refusal = refuseConfigAccess(context, "ALTER_CONFIGS", { resourceType, resourceName });
    asked[index] = new Asked(resourceType, resourceName, refusal === null ? errorCode.NONE : errorCode[refusal]);
  }
  return asked;
}

function allowedOf(
  resources: MadeList<AlterConfigsResource>,
  asked: readonly AskedResource[],
): MadeList<AlterConfigsResource> {
  const isAllowed = ({ errorCode: code }: AskedResource) => code === errorCode.NONE;
  if (asked.every(isAllowed)) return resources;
  const indexes = [...asked.keys()].filter((index) => isAllowed(asked[index] as AskedResource));
  return MadeList.from(indexes, (index) => resources.at(index));
}

/** Makes the answer of each resource while it is encoded. */
function answerTo(
  asked: readonly AskedResource[],
  exchange: Exchange<AlterConfigsResponse>,
): (result: readonly AlterationResult[] | ControlFailure) => void {
  return (result) => {
    let next = 0;
    const responses = MadeList.from(asked, (resource): AlterConfigsResourceResponse => {
      const { resourceType, resourceName, errorCode: refusal } = resource;
      if (refusal !== errorCode.NONE) return new Answered(refusal, errorMessage(refusal), resourceType, resourceName);
      if (isFailure(result)) {
        return new Answered(errorCode.UNKNOWN_SERVER_ERROR, result.failure, resourceType, resourceName);
      }
      const { errorCode: code, errorMessage: message } = result[next++] as AlterationResult;
      return new Answered(code, message, resourceType, resourceName);
    });
    exchange.respond({ responses: responses.asArray });
  };
}
