/**
 * UnregisterBroker, API key 64 (KIP-631): forgets a broker of a cluster that has left for good. Any broker of the cluster does it, by a
 * compare-and-set of the broker's rows. The answer is sent when this broker knows it.
 *
 * v0 flexible. A broker that is not fenced is refused with INVALID_REQUEST (partitions/metadata/changes/unregistration.ts), so one that is
 * alone forgets nobody. Partitions keep replicas on a broker that is forgotten, as in Kafka: kafka-reassign-partitions moves them.
 */
import { errorCode } from "../protocol/error_codes.ts";
import {
  type UnregisterBrokerRequest,
  unregisterBrokerRequest,
  type UnregisterBrokerResponse,
  unregisterBrokerResponse,
} from "../protocol/messages/64_unregister_broker.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of UnregisterBroker. */
export const unregisterBrokerApi = api({
  key: 64,
  name: "UnregisterBroker",
  served: [0, 0],
  request: unregisterBrokerRequest,
  response: unregisterBrokerResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: () => CLUSTER_REFUSAL,
  },
  handle: handleUnregisterBroker,
});

/** Handles UnregisterBroker. */
export function handleUnregisterBroker(
  { brokerId }: UnregisterBrokerRequest,
  exchange: Exchange<UnregisterBrokerResponse>,
  { control }: ShardServices,
): void {
  askControl({ name: "unregisterBroker", args: { broker: brokerId } }, { control, exchange }, (result) => {
    exchange.respond(
      isFailure(result) ? { errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: result.failure } : result,
    );
  });
}
