/**
 * The cluster as clients see it: its brokers, the address at which a client reaches each of them, who leads a partition and who is
 * the controller. Every answer that names a broker reads it; no other place computes an address. Pure; runs on shards.
 *
 * A client is told the addresses of the listener that it is connected to, and of no other: who came in from outside must not be sent
 * to an address inside. A broker without an address for that listener does not exist for the client: it is neither listed nor a
 * leader, and its replicas are offline (Kafka: KRaftMetadataCache.getAliveEndpoint, getOfflineReplicas).
 *
 * This broker is always reached: without `advertised.listeners` at its own end of the client's connection, which is right on any
 * network card, and through whatever forwards connections without changing host and port. So is a listener that is not advertised
 * (Kafka would name no broker at all).
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { Listener } from "../../partitions/config/broker/listeners.ts";
import type { ConnectionContext } from "./connection_context.ts";

/** What stands for a leader where there is none. */
export const NO_LEADER = -1;

/** A connection as far as addresses go. */
export type ClientConnection = Pick<ConnectionContext, "listenerName" | "localHost" | "localPort">;

/** A broker of the cluster. */
export interface ClusterBroker {
  readonly nodeId: number;
  /** `broker.rack`; null: it is in none. */
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

/** What the view is made from. */
export interface ClusterParts {
  readonly clusterId: string;
  /** Node id of the controller. */
  readonly controllerId: number;
  /** Node id of this broker, which is one of `brokers`. */
  readonly ownId: number;
  /** All that are alive. */
  readonly brokers: readonly ClusterBroker[];
}

/** The view. */
export class ClusterView {
  readonly clusterId: string;
  /** Node id of the controller. */
  readonly controllerId: number;
  readonly #ownId: number;
  readonly #brokers: ReadonlyMap<number, ClusterBroker>;

  /** @param parts the brokers, and which of them is which */
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

  /** Where a client reaches a broker. @returns null when it does not */
  addressOf(nodeId: number, client: ClientConnection): BrokerAddress | null {
    const broker = this.#brokers.get(nodeId);
    if (broker === undefined) return null;
    const advertised = advertisedOn(broker, client);
    const { rack } = broker;
    if (nodeId !== this.#ownId) {
      return advertised === undefined ? null : { nodeId, host: advertised.host, port: advertised.port, rack };
    }
    const { localHost, localPort } = client;
    // An advertised port of 0 stands for the port that the system chose.
    return { nodeId, host: advertised?.host ?? localHost, port: advertised?.port || localPort, rack };
  }

  /** Who leads a partition. @returns `NO_LEADER` unless the client can reach it */
  leaderOf(partition: { readonly leader: number }, client: ClientConnection): number {
    return this.#isReached(partition.leader, client) ? partition.leader : NO_LEADER;
  }

  /** Those of a partition's replicas that the client cannot reach, as node ids. */
  offlineOf(replicas: readonly number[], client: ClientConnection): number[] {
    return replicas.filter((nodeId) => !this.#isReached(nodeId, client));
  }

  /** Asked for every replica of an answer about all partitions: allocates nothing. */
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
