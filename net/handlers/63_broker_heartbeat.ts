/**
 * BrokerHeartbeat, API key 63: another broker of the cluster tells the controller that it is alive (KIP-631). The control plane answers.
 *
 * Only a connection that has proved to be of this broker may send it (36_sasl_authenticate.ts). ApiVersions does not list the API, as in
 * Kafka, whose clients reach the controller by a listener of its own only.
 *
 * Not done: `wantFence`, log directories that have failed, cordoned log directories.
 */
import type { HeartbeatAnswer } from "../../partitions/cluster/membership_calls.ts";
import { api } from "../requests/api.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type BrokerHeartbeatRequest,
  brokerHeartbeatRequest,
  type BrokerHeartbeatResponse,
  brokerHeartbeatResponse,
} from "../protocol/messages/63_broker_heartbeat.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of BrokerHeartbeat. */
export const brokerHeartbeatApi = api({
  key: 63,
  name: "BrokerHeartbeat",
  served: [0, 2],
  advertised: null,
  request: brokerHeartbeatRequest,
  response: brokerHeartbeatResponse,
  elementsMax: 1 << 10, // log directories
  handle: handleBrokerHeartbeat,
});

/** Handles BrokerHeartbeat. */
export function handleBrokerHeartbeat(
  request: BrokerHeartbeatRequest,
  exchange: Exchange<BrokerHeartbeatResponse>,
  { control }: ShardServices,
): void {
  if (exchange.context.brokerId !== request.brokerId) {
    return exchange.respond(refused(errorCode.CLUSTER_AUTHORIZATION_FAILED));
  }
  const heartbeat = {
    broker: request.brokerId,
    brokerEpoch: request.brokerEpoch,
    revision: request.currentMetadataOffset,
    wantsStop: request.wantShutDown,
  };
  askControl({ name: "brokerHeartbeat", args: heartbeat }, { control, exchange }, (result) => {
    exchange.respond(isFailure(result) ? refused(errorCode.UNKNOWN_SERVER_ERROR) : answerOf(result));
  });
}

/** A broker becomes active when its image has caught up. */
function answerOf({ errorCode: code, isFenced, shouldStop }: HeartbeatAnswer): BrokerHeartbeatResponse {
  return { errorCode: code, isFenced, isCaughtUp: !isFenced, shouldShutDown: shouldStop };
}

function refused(code: number): BrokerHeartbeatResponse {
  return { errorCode: code, shouldShutDown: false };
}
