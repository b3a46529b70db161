/**
 * AlterClientQuotas, API key 49 (KIP-546): sets and removes quotas of users, client ids and addresses; the control plane changes them. The
 * answer is sent when every shard knows the new quotas and they are durable.
 *
 * v1 flexible. All changes of an entity are made or none. In a cluster, some entities of one request may be changed although others are not,
 * where they exceed what the store takes in one transaction. (Kafka changes all or none.)
 *
 * Not done: names of hosts as `ip`, which Kafka resolves once.
 */
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { packQuotas } from "../../partitions/mod.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import { MadeList } from "../protocol/made_list.ts";
import {
  type AlterClientQuotasRequest,
  alterClientQuotasRequest,
  type AlterClientQuotasResponse,
  alterClientQuotasResponse,
  type AlteredQuotaResult,
} from "../protocol/messages/49_alter_client_quotas.ts";
import { plainConstructor } from "../protocol/plain_constructor.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of AlterClientQuotas. */
export const alterClientQuotasApi = api({
  key: 49,
  name: "AlterClientQuotas",
  served: [0, 1],
  request: alterClientQuotasRequest,
  response: alterClientQuotasResponse,
  needs: {
    operation: "ALTER_CONFIGS",
    resourceOf: () => CLUSTER,
    refuse: (request) => refuse(request, errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 13, // entities, their types, quotas
  handle: handleAlterClientQuotas,
});

/** One for each entity of a request, so it is not made by a literal (plain_constructor.ts). */
const Refused = plainConstructor<AlteredQuotaResult>()("errorCode", "errorMessage", "entity");

/** Handles AlterClientQuotas. */
export function handleAlterClientQuotas(
  request: AlterClientQuotasRequest,
  exchange: Exchange<AlterClientQuotasResponse>,
  { control }: ShardServices,
): void {
  if (request.entries.length === 0) return exchange.respond({ entries: [] });
  const args = { packed: packQuotas(request) };
  askControl({ name: "alterClientQuotas", args }, { control, exchange }, (result) => {
    exchange.respond(
      isFailure(result) ? refuse(request, errorCode.UNKNOWN_SERVER_ERROR, result.failure) : { entries: result },
    );
  });
}

/** Refuses every entity of a request. */
function refuse(
  { entries }: AlterClientQuotasRequest,
  code: number,
  message = errorMessage(code),
): AlterClientQuotasResponse {
  return { entries: MadeList.from(entries, ({ entity }) => new Refused(code, message, entity)).asArray };
}
