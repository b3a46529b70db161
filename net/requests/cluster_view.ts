/**
 * The cluster as clients see it: its brokers, the address at which a client reaches each of them, the leaders of partitions, and the
 * controller. It reads them from the image, so it is always current. Every answer that names a broker reads it; no other place
 * computes an address. Pure; runs on shards.
 *
 * A client gets only the addresses of the listener that it is connected to, because a client from outside must not be sent
 * to an address inside. A broker without an address for that listener does not exist for the client: it is not listed, it is no
 * leader, and its replicas are offline (Kafka: KRaftMetadataCache.getAliveEndpoint, getOfflineReplicas). The same holds for a fenced
 * broker. A broker that stops is listed until it is fenced, because it still leads what it has not given away.
 *
 * The list of brokers is never empty: a client that is told of no broker forgets those that it knows, and librdkafka then asks nobody any
 * more (confluentinc/librdkafka#5301). So a broker that is fenced, and knows of no other that is not, lists itself: it leads nothing, and
 * the client has reached it.
 *
 * This broker can always be reached while it is not fenced. Without `advertised.listeners` its address is its own end of the client's
 * connection. That is right on any network card, and through anything that forwards connections without changing host and port. The same
 * holds for a listener that is not advertised (Kafka would name no broker at all).
 */
import type { Listener } from "../../partitions/config/broker/listeners.ts";
import type { BrokerImage, MetadataImage, PartitionImage } from "../../partitions/metadata/image.ts";
import type { ConnectionContext } from "./connection_context.ts";

/** The leader's node id when there is no leader. */
export const NO_LEADER = -1;
/** The controller's node id when there is no controller. */
export const NO_CONTROLLER = -1;

/** The part of a connection that decides about addresses. */
export type ClientConnection = Pick<ConnectionContext, "listenerName" | "localHost" | "localPort">;

/** A broker as one client reaches it. */
export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** A broker with the question whether it is fenced. */
export interface ListedBroker extends BrokerAddress {
  readonly isFenced: boolean;
}

/** What the view is built from. */
export interface ClusterParts {
  readonly clusterId: string;
  /** Node id of this broker. */
  readonly ownId: number;
  /** The shard's copy of the image. */
  readonly image: Pick<MetadataImage, "brokers" | "controllerId">;
}

/** What the view needs to know of a partition. */
export type PartitionPlace = Pick<PartitionImage, "leader" | "directory" | "offline">;

/** The view. */
export class ClusterView {
  readonly clusterId: string;
  readonly #ownId: number;
  readonly #image: ClusterParts["image"];

  /** @param parts the image with the brokers, and which of them is this one */
  constructor(parts: ClusterParts) {
    this.clusterId = parts.clusterId;
    this.#ownId = parts.ownId;
    this.#image = parts.image;
  }

  /** The brokers that a client can reach; this one alone when there is no other and it is fenced. */
  brokersFor(client: ClientConnection): BrokerAddress[] {
    const found = Array.from(this.#image.brokers.values(), (broker) => this.#addressOf(broker, client))
      .filter((address) => address !== null);
    return found.length > 0 ? found : [this.#ownAddress(client)];
  }

  /** The brokers that a client can reach, and those that it could reach if they were not fenced (KIP-1073). */
  registeredFor(client: ClientConnection): ListedBroker[] {
    return Array.from(this.#image.brokers.values(), (broker) => {
      const address = this.#endpointOf(broker, client);
      return address === null ? null : { ...address, isFenced: broker.state === "fenced" };
    }).filter((address) => address !== null);
  }

  /** The address at which a client reaches a broker. @returns null when it cannot */
  addressOf(nodeId: number, client: ClientConnection): BrokerAddress | null {
    const broker = this.#image.brokers.get(nodeId);
    return broker === undefined ? null : this.#addressOf(broker, client);
  }

  /**
   * Node id of the broker to which a client sends administrative requests: the controller, or this broker when the client cannot reach
   * the controller, because every broker carries them out.
   * @returns NO_CONTROLLER when this broker is fenced too
   */
  controllerFor(client: ClientConnection): number {
    const { controllerId } = this.#image;
    if (this.#isReached(controllerId, client)) return controllerId;
    return this.#isReached(this.#ownId, client) ? this.#ownId : NO_CONTROLLER;
  }

  /** Node id of a partition's leader. @returns NO_LEADER when the client cannot reach it, or its log directory is offline */
  leaderOf(partition: PartitionPlace, client: ClientConnection): number {
    const { leader } = partition;
    return this.#isReached(leader, client) && !this.#isOffline(leader, partition) ? leader : NO_LEADER;
  }

  /** Node ids of the replicas that the client cannot reach, or whose log directory is offline. */
  offlineOf(partition: PartitionPlace & { readonly replicas: readonly number[] }, client: ClientConnection): number[] {
    return partition.replicas.filter((nodeId) =>
      !this.#isReached(nodeId, client) || this.#isOffline(nodeId, partition) ||
      partition.offline?.includes(nodeId) === true
    );
  }

  /** Whether a replica of this broker is offline. */
  #isOffline(nodeId: number, { directory }: PartitionPlace): boolean {
    return directory < 0 && nodeId === this.#ownId;
  }

  #addressOf(broker: BrokerImage, client: ClientConnection): BrokerAddress | null {
    return broker.state === "fenced" ? null : this.#endpointOf(broker, client);
  }

  #endpointOf(broker: BrokerImage, client: ClientConnection): BrokerAddress | null {
    const { nodeId, rack } = broker;
    if (nodeId === this.#ownId) return this.#ownAddress(client);
    const advertised = advertisedOn(broker, client);
    return advertised === undefined ? null : { nodeId, host: advertised.host, port: advertised.port, rack };
  }

  #ownAddress(client: ClientConnection): BrokerAddress {
    const own = this.#image.brokers.get(this.#ownId);
    const advertised = own === undefined ? undefined : advertisedOn(own, client);
    const { localHost, localPort } = client;
    // An advertised port of 0 means the port that the system chose.
    return {
      nodeId: this.#ownId,
      host: advertised?.host ?? localHost,
      port: advertised?.port || localPort,
      rack: own?.rack ?? null,
    };
  }

  /** Called for every replica of an answer about all partitions, so it allocates nothing. */
  #isReached(nodeId: number, client: ClientConnection): boolean {
    const broker = this.#image.brokers.get(nodeId);
    if (broker === undefined || broker.state === "fenced") return false;
    return nodeId === this.#ownId || advertisedOn(broker, client) !== undefined;
  }
}

function advertisedOn({ advertised }: BrokerImage, { listenerName }: ClientConnection): Listener | undefined {
  return advertised.find(({ name }) => name === listenerName);
}
