/**
 * The cluster as clients see it: its brokers, the address at which a client reaches each of them, the leaders of partitions, and the
 * controller. Every answer that names a broker reads it; no other place computes an address. Pure; runs on shards.
 *
 * A client gets only the addresses of the listener that it is connected to, because a client from outside must not be sent
 * to an address inside. A broker without an address for that listener does not exist for the client: it is not listed, it is no
 * leader, and its replicas are offline (Kafka: KRaftMetadataCache.getAliveEndpoint, getOfflineReplicas).
 *
 * This broker can always be reached. Without `advertised.listeners` its address is its own end of the client's connection. That is
 * right on any network card, and through anything that forwards connections without changing host and port. The same holds for a
 * listener that is not advertised (Kafka would name no broker at all).
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { Listener } from "../../partitions/config/broker/listeners.ts";
import type { PartitionImage } from "../../partitions/metadata/image.ts";
import type { ConnectionContext } from "./connection_context.ts";

/** The leader's node id when there is no leader. */
export const NO_LEADER = -1;

/** The part of a connection that decides about addresses. */
export type ClientConnection = Pick<ConnectionContext, "listenerName" | "localHost" | "localPort">;

/** A broker of the cluster. */
export interface ClusterBroker {
  readonly nodeId: number;
  /** `broker.rack`, null when it has none. */
  readonly rack: string | null;
  /** The addresses it advertises, one for each listener. */
  readonly advertised: readonly Listener[];
}

/** A broker as one client reaches it. */
export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** What the view is built from. */
export interface ClusterParts {
  readonly clusterId: string;
  /** Node id of the controller. */
  readonly controllerId: number;
  /** Node id of this broker, which is one of `brokers`. */
  readonly ownId: number;
  /** All brokers that are alive. */
  readonly brokers: readonly ClusterBroker[];
}

/** What the view needs to know of a partition. */
export type PartitionPlace = Pick<PartitionImage, "leader" | "directory">;

/** The view. */
export class ClusterView {
  readonly clusterId: string;
  /** Node id of the controller. */
  readonly controllerId: number;
  readonly #ownId: number;
  readonly #brokers: ReadonlyMap<number, ClusterBroker>;

  /** @param parts the brokers, their controller, and which of them is this one */
  constructor(parts: ClusterParts) {
    this.clusterId = parts.clusterId;
    this.controllerId = parts.controllerId;
    this.#ownId = parts.ownId;
    this.#brokers = new Map(parts.brokers.map((broker) => [broker.nodeId, broker]));
  }

  /** The brokers that a client can reach. */
  brokersFor(client: ClientConnection): BrokerAddress[] {
    return [...this.#brokers.keys()].flatMap((nodeId) => this.addressOf(nodeId, client) ?? []);
  }

  /** The address at which a client reaches a broker. @returns null when it cannot */
  addressOf(nodeId: number, client: ClientConnection): BrokerAddress | null {
    const broker = this.#brokers.get(nodeId);
    if (broker === undefined) return null;
    const advertised = advertisedOn(broker, client);
    const { rack } = broker;
    if (nodeId !== this.#ownId) {
      return advertised === undefined ? null : { nodeId, host: advertised.host, port: advertised.port, rack };
    }
    const { localHost, localPort } = client;
    // An advertised port of 0 means the port that the system chose.
    return { nodeId, host: advertised?.host ?? localHost, port: advertised?.port || localPort, rack };
  }

  /** Node id of a partition's leader. @returns `NO_LEADER` when the client cannot reach it, or its log directory is offline */
  leaderOf(partition: PartitionPlace, client: ClientConnection): number {
    const { leader } = partition;
    return this.#isReached(leader, client) && !this.#isOffline(leader, partition) ? leader : NO_LEADER;
  }

  /** Node ids of the replicas that the client cannot reach, or whose log directory is offline. */
  offlineOf(partition: PartitionPlace & { readonly replicas: readonly number[] }, client: ClientConnection): number[] {
    return partition.replicas.filter((nodeId) =>
      !this.#isReached(nodeId, client) || this.#isOffline(nodeId, partition)
    );
  }

  #isOffline(nodeId: number, { directory }: PartitionPlace): boolean {
    return directory < 0 && nodeId === this.#ownId;
  }

  /** Called for every replica of an answer about all partitions, so it allocates nothing. */
  #isReached(nodeId: number, client: ClientConnection): boolean {
    const broker = this.#brokers.get(nodeId);
    return broker !== undefined && (nodeId === this.#ownId || advertisedOn(broker, client) !== undefined);
  }
}

/** The cluster of one broker. */
export function clusterOfOne(
  clusterId: string,
  { nodeId, advertisedListeners }: Pick<BrokerConfig, "nodeId" | "advertisedListeners">,
): ClusterView {
  const broker = { nodeId, rack: null, advertised: advertisedListeners ?? [] };
  return new ClusterView({ clusterId, controllerId: nodeId, ownId: nodeId, brokers: [broker] });
}

function advertisedOn({ advertised }: ClusterBroker, { listenerName }: ClientConnection): Listener | undefined {
  return advertised.find(({ name }) => name === listenerName);
}
