/**
 * DescribeCluster, API key 60: names the brokers and the controller.
 *
 * v0 (KIP-700) · v1 endpoint type (KIP-919): this listener is an endpoint of brokers, not of controllers · v2 fenced brokers
 * (KIP-1073).
 */
import { api } from "../requests/api.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { OPERATIONS_NOT_REQUESTED } from "../protocol/messages/03_metadata.ts";
import {
  type DescribeClusterRequest,
  describeClusterRequest,
  type DescribeClusterResponse,
  describeClusterResponse,
} from "../protocol/messages/60_describe_cluster.ts";
import { clusterOperations } from "./03_metadata.ts";

/** The row of DescribeCluster. */
export const describeClusterApi = api({
  key: 60,
  name: "DescribeCluster",
  served: [0, 2],
  request: describeClusterRequest,
  response: describeClusterResponse,
  elementsMax: 1 << 10,
  isReadOnly: true,
  handle: handleDescribeCluster,
});

/** Kinds of endpoint (EndpointType). */
const endpointTypes = { broker: 1, controller: 2 } as const;

/** Handles DescribeCluster. */
export function handleDescribeCluster(
  request: DescribeClusterRequest,
  exchange: Exchange<DescribeClusterResponse>,
  services: ShardServices,
): void {
  const { context } = exchange;
  const { cluster } = services;
  const { endpointType } = request;
  if (endpointType !== endpointTypes.broker) {
    const isController = endpointType === endpointTypes.controller;
    return exchange.respond({
      errorCode: isController ? errorCode.MISMATCHED_ENDPOINT_TYPE : errorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: isController
        ? "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
        : `Unsupported endpoint type ${endpointType}`,
      clusterId: "",
      brokers: [],
    });
  }
  const brokers = cluster.registeredFor(context).filter(({ isFenced }) => request.includeFencedBrokers || !isFenced);
  exchange.respond({
    errorCode: errorCode.NONE,
    errorMessage: null,
    endpointType,
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerFor(context),
    brokers: brokers.map(({ nodeId, ...listed }) => ({ brokerId: nodeId, ...listed })),
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? clusterOperations(context)
      : OPERATIONS_NOT_REQUESTED,
  });
}
