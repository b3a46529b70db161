/**
 * BrokerRegistration, API key 62: another broker of the cluster asks the controller to be registered (KIP-631). The control plane answers.
 *
 * Only a connection that has proved to be of this broker may ask (36_sasl_authenticate.ts). The cluster's brokers ask in the newest version,
 * with tagged fields of our own (messages/62_broker_registration.ts); the older ones have the same meaning as in Kafka. ApiVersions
 * does not list the API, as in Kafka, whose clients reach the controller by a listener of its own only.
 */
import type { BrokerRegistration } from "../../partitions/cluster/membership_calls.ts";
import { api } from "../requests/api.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type BrokerRegistrationRequest,
  brokerRegistrationRequest,
  type BrokerRegistrationResponse,
  brokerRegistrationResponse,
} from "../protocol/messages/62_broker_registration.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of BrokerRegistration. */
export const brokerRegistrationApi = api({
  key: 62,
  name: "BrokerRegistration",
  served: [0, 4],
  advertised: null,
  request: brokerRegistrationRequest,
  response: brokerRegistrationResponse,
  elementsMax: 1 << 10, // listeners, features, log directories
  handle: handleBrokerRegistration,
});

/** Handles BrokerRegistration. */
export function handleBrokerRegistration(
  request: BrokerRegistrationRequest,
  exchange: Exchange<BrokerRegistrationResponse>,
  { control }: ShardServices,
): void {
  if (exchange.context.brokerId !== request.brokerId) {
    return exchange.respond({ errorCode: errorCode.CLUSTER_AUTHORIZATION_FAILED });
  }
  askControl({ name: "brokerRegistration", args: registrationOf(request) }, { control, exchange }, (result) => {
    exchange.respond(isFailure(result) ? { errorCode: errorCode.UNKNOWN_SERVER_ERROR } : result);
  });
}

function registrationOf(request: BrokerRegistrationRequest): BrokerRegistration {
  return {
    broker: request.brokerId,
    clusterId: request.clusterId,
    incarnation: request.incarnationId,
    directoryId: request.directoryId,
    cleanEpoch: request.previousBrokerEpoch,
    knownEpoch: request.knownBrokerEpoch,
    rack: request.rack,
    listeners: request.listeners.map(({ name, host, port }) => ({ name, host, port })),
    directories: request.logDirs,
    shards: request.shards,
    version: request.softwareVersion,
  };
}
