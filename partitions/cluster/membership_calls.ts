/**
 * What the broker's process asks of the elected controller: to be registered, and to count as alive. The controller's side answers it for the
 * process that it runs in, and for those that ask over the network: BrokerRegistration (62) and BrokerHeartbeat (63) arrive at a shard, which
 * has checked that the connection belongs to the broker that the request names, and travel on as calls of the control plane. The other
 * side is a `BrokerChannel`. Plain data; the main isolate, and shards, which translate the messages.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { Listener } from "../config/broker/listeners.ts";
import type { Heartbeat, RegistrationRequest } from "./controller_state.ts";

/** What a registration says of a broker besides the identity of its process. */
export interface BrokerDescription {
  /** `broker.rack`, null when it has none. */
  readonly rack: string | null;
  /** The addresses it advertises, one for each listener. */
  readonly listeners: readonly Listener[];
  /** `directory.id` of each log directory that is online. */
  readonly directories: readonly string[];
  /** How many shards it has. */
  readonly shards: number;
  /** Version of the program. */
  readonly version: string;
}

/** A process that asks to be registered. Its incarnation and the ids of directories are UUIDs in Kafka's form (22 characters). */
export interface BrokerRegistration extends RegistrationRequest, BrokerDescription {
  /** Cluster that the process belongs to. */
  readonly clusterId: string;
}

/** The controller's answer to a registration. */
export interface RegistrationAnswer {
  /** NONE: the request has arrived. The process is registered once its image has the registration; it asks again until then. */
  readonly errorCode: number;
  /** Epoch of the process's registration; -1 while it has none. */
  readonly brokerEpoch: number;
}

/** The controller's answer to a heartbeat. */
export interface HeartbeatAnswer {
  readonly errorCode: number;
  /** Whether the broker is not active. */
  readonly isFenced: boolean;
  /** Whether a broker that wants to stop may: nobody needs it any more. */
  readonly shouldStop: boolean;
}

/**
 * The elected controller, near or far. A broker that is not the controller answers NOT_CONTROLLER. The requests are Kafka's, and so are
 * the other errors: INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION, STALE_BROKER_EPOCH, BROKER_ID_NOT_REGISTERED.
 */
export interface MembershipCalls {
  /** A process asks to be registered. */
  register(registration: BrokerRegistration): Promise<RegistrationAnswer>;
  /** A registered process is alive. */
  heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer>;
}

/** The elected controller, as far as it is this process. */
export interface ElectedCalls extends MembershipCalls {
  /** A connection of another broker to this one has ended: its process may be gone. */
  disconnected(broker: number): void;
}

const { NOT_CONTROLLER } = errorCode;

/** A broker that is in no cluster, which has no controller to be elected. */
export const NO_MEMBERSHIP: ElectedCalls = {
  register: () => Promise.resolve({ errorCode: NOT_CONTROLLER, brokerEpoch: -1 }),
  heartbeat: () => Promise.resolve({ errorCode: NOT_CONTROLLER, isFenced: true, shouldStop: false }),
  disconnected: () => {},
};
