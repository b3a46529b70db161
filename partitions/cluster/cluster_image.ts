/**
 * What a broker knows of the cluster's metadata, and the transactions that change it. Plain data for pure state machines: the caller makes an
 * image from what the store's watch told it, and maps comparisons and writes to keys of the store. The main isolate; shards use the types.
 *
 * A transaction writes only if every comparison holds: each names something by the version that the proposer knows, which is the store's
 * revision of its last change. So a decision that was made from old knowledge fails instead of overwriting a newer one.
 */
import type { BrokerView, PartitionRow, VersionedRow } from "./partition_row.ts";

/** Whether a broker may enter an ISR and be elected (active), or not. */
export type BrokerState = "active" | "fenced" | "stopping";

/** A broker as the store has it. */
export interface BrokerEntry {
  readonly state: BrokerState;
  /** Version of the state. Each registration writes it anew, so it also names the process. */
  readonly stateVersion: number;
  /** Broker epoch: version of the registration. */
  readonly brokerEpoch: number;
  /** Process that registered. */
  readonly incarnation: string;
  /** Identity of its data directories: another one has none of the records. */
  readonly directoryId: string;
}

/** The cluster at one revision of the store. */
export interface ClusterImage {
  readonly revision: number;
  readonly brokers: ReadonlyMap<number, BrokerEntry>;
  /** Rows by topic id and partition number. */
  readonly partitions: ReadonlyMap<string, VersionedRow>;
  /** `min.insync.replicas` of the topic that a partition belongs to. */
  configuredMinIsrOf(partition: string): number;
  /** `unclean.leader.election.enable` of the topic. */
  isUncleanElectionEnabled(partition: string): boolean;
  /** `directory.id` that the row names for a broker's replica; null where nobody knows it. */
  directoryOf(partition: string, broker: number): string | null;
  /** `directory.id` of each log directory that a broker registered; null for one that is not registered. */
  directoriesOf(broker: number): readonly string[] | null;
  /** Version of the controller's key, 0 while there is none. */
  readonly controllerEpoch: number;
}

/** What a transaction compares. */
export type Comparison =
  | { readonly kind: "row"; readonly partition: string; readonly version: number }
  | { readonly kind: "state" | "registration"; readonly broker: number; readonly version: number }
  | { readonly kind: "controller"; readonly version: number };

/** What a transaction writes. */
export type Write =
  | { readonly kind: "row"; readonly partition: string; readonly row: PartitionRow }
  | { readonly kind: "state"; readonly broker: number; readonly state: BrokerState }
  | {
    readonly kind: "registration";
    readonly broker: number;
    readonly incarnation: string;
    readonly directoryId: string;
  }
  | { readonly kind: "controller"; readonly broker: number; readonly incarnation: string };

/** One compare-and-set. */
export interface Transaction {
  /** What it is about: a proposer has one transaction for a subject at a time. */
  readonly subject: string;
  readonly comparisons: readonly Comparison[];
  readonly writes: readonly Write[];
}

/** Version of a key that does not exist. */
export const ABSENT = 0;

/** The brokers of an image, as row changes ask for them. */
export function brokerView(image: ClusterImage): BrokerView {
  return { isActive: (broker) => image.brokers.get(broker)?.state === "active" };
}
