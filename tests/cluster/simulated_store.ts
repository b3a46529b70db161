/**
 * The metadata store in the cluster simulation: one linearizable map of versioned keys, its history, and the images that brokers make of a
 * prefix of that history. Test code.
 */
import {
  ABSENT,
  type BrokerEntry,
  type BrokerState,
  type ClusterImage,
} from "../../partitions/cluster/cluster_image.ts";
import type { Comparison, Transaction, Write } from "../../partitions/cluster/cluster_image.ts";
import type { PartitionRow, VersionedRow } from "../../partitions/cluster/partition_row.ts";

/** One revision. `null` for the controller that is gone. */
export interface Change {
  readonly revision: number;
  readonly writes:
    readonly (Write | { readonly kind: "no-controller" } | { readonly kind: "min-isr"; readonly minIsr: number })[];
}

/** An image that is moved along the history of the store. */
export class SimulatedImage implements ClusterImage {
  revision = 0;
  readonly brokers = new Map<number, BrokerEntry>();
  readonly partitions = new Map<string, VersionedRow>();
  controllerEpoch = ABSENT;
  /** Broker that is the controller, -1 for none. */
  controller = -1;
  controllerIncarnation = "";
  minIsr: number;
  readonly #isUnclean: boolean;

  constructor(minIsr: number, isUnclean: boolean) {
    this.minIsr = minIsr;
    this.#isUnclean = isUnclean;
  }

  configuredMinIsrOf(): number {
    return this.minIsr;
  }

  /** A broker has one disk, whose identity is that of its directories as a whole. */
  directoryOf(): null {
    return null;
  }

  directoriesOf(): null {
    return null;
  }

  isUncleanElectionEnabled(): boolean {
    return this.#isUnclean;
  }

  apply({ revision, writes }: Change): void {
    this.revision = revision;
    for (const write of writes) {
      switch (write.kind) {
        case "row":
          this.partitions.set(write.partition, { row: write.row, version: revision });
          break;
        case "state":
          this.#setBroker(write.broker, { state: write.state, stateVersion: revision });
          break;
        case "registration": {
          const { incarnation, directoryId } = write;
          this.#setBroker(write.broker, { incarnation, directoryId, brokerEpoch: revision });
          break;
        }
        case "controller":
          this.controllerEpoch = revision;
          this.controller = write.broker;
          this.controllerIncarnation = write.incarnation;
          break;
        case "no-controller":
          this.controllerEpoch = ABSENT;
          this.controller = -1;
          this.controllerIncarnation = "";
          break;
        case "min-isr":
          this.minIsr = write.minIsr;
      }
    }
  }

  #setBroker(broker: number, changed: Partial<BrokerEntry>): void {
    const fresh = {
      state: "fenced" as BrokerState,
      stateVersion: ABSENT,
      brokerEpoch: ABSENT,
      incarnation: "",
      directoryId: "",
    };
    this.brokers.set(broker, { ...fresh, ...this.brokers.get(broker), ...changed });
  }
}

/** The store. Its own image is at the head of its history. */
export class SimulatedStore {
  readonly history: Change[] = [];
  readonly head: SimulatedImage;
  readonly #settings: readonly [minIsr: number, isUnclean: boolean];
  /** Sees each row before it is written. */
  onRow: (partition: string, row: PartitionRow) => void = () => {};
  /** Sees each registration before it is written. */
  onRegistration: (broker: number, incarnation: string) => void = () => {};

  constructor(minIsr: number, isUnclean: boolean) {
    this.#settings = [minIsr, isUnclean];
    this.head = new SimulatedImage(minIsr, isUnclean);
  }

  /** An image at some revision. */
  imageAt(revision: number): SimulatedImage {
    const image = new SimulatedImage(...this.#settings);
    for (let index = 0; index < revision; index++) image.apply(this.history[index] as Change);
    return image;
  }

  /** Writes without comparing. */
  write(writes: Change["writes"]): number {
    for (const write of writes) {
      if (write.kind === "row") this.onRow(write.partition, write.row);
      if (write.kind === "registration") this.onRegistration(write.broker, write.incarnation);
    }
    const change = { revision: this.history.length + 1, writes };
    this.history.push(change);
    this.head.apply(change);
    return change.revision;
  }

  /** @returns the revision, or null when a comparison fails */
  transact({ comparisons, writes }: Transaction): number | null {
    return comparisons.every((comparison) => this.#holds(comparison)) ? this.write(writes) : null;
  }

  #holds(comparison: Comparison): boolean {
    const { head } = this;
    switch (comparison.kind) {
      case "row":
        return (head.partitions.get(comparison.partition)?.version ?? ABSENT) === comparison.version;
      case "state":
        return (head.brokers.get(comparison.broker)?.stateVersion ?? ABSENT) === comparison.version;
      case "registration":
        return (head.brokers.get(comparison.broker)?.brokerEpoch ?? ABSENT) === comparison.version;
      case "controller":
        return head.controllerEpoch === comparison.version;
    }
  }
}
