/**
 * The brokers of a cluster, as their rows say: for the image of every shard, for the placement of new partitions, and for the comparisons of
 * a creation. Main isolate.
 *
 * Always: what is said here is what the rows said that were applied last, in the order of the store.
 */
import {
  brokerKeyOf,
  CONTROLLER,
  controllerRowOf,
  type RegistrationRow,
  registrationRowOf,
  stateOf,
} from "../../cluster/cluster_rows.ts";
import type { BrokerState } from "../../cluster/cluster_image.ts";
import { type BrokerImage, NO_CONTROLLER } from "../image.ts";
import type { StoreChange } from "../store/store.ts";

interface Broker {
  readonly registration?: RegistrationRow;
  /** Version of the row of the registration. */
  readonly brokerEpoch?: number;
  readonly state?: BrokerState;
  /** Version of the row of the state. */
  readonly stateVersion?: number;
}

/** The brokers. */
export class SharedBrokers {
  readonly #brokers = new Map<number, Broker>();
  #controllerId = NO_CONTROLLER;
  #controllerEpoch: number | undefined;

  /** Node id of the controller, NO_CONTROLLER while there is none. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** Version of the row of the last controller; undefined before the first. */
  get controllerEpoch(): number | undefined {
    return this.#controllerEpoch;
  }

  /** Applies a change of a broker's row, or of the controller's. @throws MetadataStoreError for a row of another shape */
  apply(change: StoreChange): void {
    if (change.key === CONTROLLER) {
      this.#controllerId = "deleted" in change ? NO_CONTROLLER : controllerRowOf(change).broker;
      if (!("deleted" in change)) this.#controllerEpoch = change.version;
      return;
    }
    const { broker: id, kind } = brokerKeyOf(change.key);
    const last: Broker = this.#brokers.get(id) ?? {};
    const next: Broker = kind === "registration"
      ? "deleted" in change
        ? { ...last, registration: undefined, brokerEpoch: undefined }
        : { ...last, registration: registrationRowOf(change), brokerEpoch: change.version }
      : "deleted" in change
      ? { ...last, state: undefined, stateVersion: undefined }
      : { ...last, state: stateOf(change), stateVersion: change.version };
    if (next.registration === undefined && next.state === undefined) this.#brokers.delete(id);
    else this.#brokers.set(id, next);
  }

  /** The process that is registered for a broker; undefined without one. */
  incarnationOf(nodeId: number): string | undefined {
    return this.#brokers.get(nodeId)?.registration?.incarnation;
  }

  /** All registered brokers, by node id. */
  images(): BrokerImage[] {
    const registered = [...this.#brokers].flatMap(([nodeId, broker]) => {
      const { registration, state = "fenced", brokerEpoch, stateVersion } = broker;
      if (registration === undefined) return [];
      const { rack, listeners, directories } = registration;
      return [{ nodeId, rack, state, advertised: listeners, directories, brokerEpoch, stateVersion }];
    });
    return registered.sort((a, b) => a.nodeId - b.nodeId);
  }

  /** The versions of the rows that say which brokers are active, by node id. */
  activeVersions(): ReadonlyMap<number, number> {
    return new Map([...this.#brokers].flatMap(([nodeId, { registration, state, stateVersion }]) => {
      const isActive = registration !== undefined && state === "active" && stateVersion !== undefined;
      return isActive ? [[nodeId, stateVersion]] : [];
    }));
  }
}
