/**
 * Where a broker has its metadata: in a file of its own, or in a store that it shares with the other brokers of a cluster
 * (cluster_home.ts). Main isolate.
 *
 * ```
 *   clusterIdOf() ── the first log directory is locked
 *   open()        ── all are
 *   control       ── the controller is built, and loads
 *   follow()      ── the shards have the image
 *   join()        ── logs are open: from now on the broker may serve what it leads
 *   leave()       ── the broker stops, and serves until this has settled
 * ```
 */
import {
  type CheckpointKind,
  type ControllerOptions,
  type LogDirectories,
  type MetadataStore,
  type ReplicationCounters,
  SqliteStore,
} from "../../partitions/control.ts";
import type { DialingShards, OutgoingDials } from "./outgoing_dials.ts";

/** The metadata of one broker. It is disposed of after the shards have ended, and before the log directories are unlocked. */
export interface MetadataHome extends AsyncDisposable {
  /** Whether other brokers share it. */
  readonly isShared: boolean;
  /** What the controller uses beyond what each has; after `open()`. */
  readonly control: Pick<ControllerOptions, "store" | "changes" | "membership" | "rowProposals">;
  /** For the mark of a clean stop: the epoch of this process's registration, -1 without one. */
  readonly brokerEpoch: number;
  /** What metrics say of replication; null without others, and before `open()`. */
  readonly replication: ReplicationCounters | null;
  /** By which brokers prove to each other who they are, null without others; after `clusterIdOf()`. */
  readonly secret: string | null;
  /** Files that are kept in each log directory besides the usual ones; after `open()`. */
  readonly checkpoints: readonly CheckpointKind[];
  /**
   * The cluster id of the log directories.
   * @param found the one in a directory that was used before, or null @param directory the first one, locked
   * @returns null for a random one
   */
  clusterIdOf(found: string | null, directory: string): Promise<string | null>;
  /** Opens the store. @param ports of the listeners */
  open(directories: LogDirectories, ports: readonly number[]): Promise<void>;
  /** Makes the connections to other brokers that shards ask for; null where nobody asks. */
  dialsFor(shards: DialingShards): OutgoingDials | null;
  /** Passes on what other brokers change. */
  follow(): void;
  /** Joins the other brokers. @param listen has to be called before they can reach this one */
  join(listen: () => void): Promise<void>;
  /** Has others take over what this broker leads. Settles when nobody needs it any more, or it has taken too long. */
  leave(): Promise<void>;
  /** The broker ends, whatever others need of it: `leave()` does not wait for them, or not any more. */
  abandon(): void;
}

/** The metadata of a broker that is alone. */
export class OwnMetadata implements MetadataHome {
  readonly isShared = false;
  readonly brokerEpoch = -1;
  readonly secret = null;
  readonly replication = null;
  readonly checkpoints = [];
  readonly control: { readonly store: MetadataStore };
  readonly #store: SqliteStore;

  /** @param failed called when the store fails while it is open */
  constructor(failed: (error: unknown) => void) {
    this.#store = new SqliteStore(failed);
    this.control = { store: this.#store };
  }

  clusterIdOf(): Promise<null> {
    return Promise.resolve(null);
  }

  open({ storePath }: LogDirectories): Promise<void> {
    return this.#store.open(storePath);
  }

  dialsFor(): null {
    return null;
  }

  follow(): void {}

  join(): Promise<void> {
    return Promise.resolve();
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  abandon(): void {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.#store.close();
  }
}
