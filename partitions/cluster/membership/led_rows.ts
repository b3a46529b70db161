/**
 * What the leader of a partition without other replicas owes its row: it confirms an unclean election, and follows `min.insync.replicas`.
 * Leaders with followers do so with their other changes (replication/leader_state.ts). The main isolate.
 *
 * Always: only the registered process that the row names as leader changes it here, by a compare-and-set of row and state.
 */
import type { MetadataStore, MetadataStoreError } from "../../metadata/store/store.ts";
import { brokerView, type Transaction } from "../cluster_image.ts";
import { topicIdOf } from "../cluster_rows.ts";
import type { ImageChange, LiveImage } from "../live_image.ts";
import type { MembershipTime } from "./membership_time.ts";
import { changeRow, replicationFactorOf } from "../partition_row.ts";
import { SubjectTransactions } from "./subject_transactions.ts";

/** What it works with. */
export interface LedRowsParts {
  readonly store: Pick<MetadataStore, "transact" | "resolve" | "limits">;
  readonly image: LiveImage;
  readonly time: MembershipTime;
  readonly broker: number;
  /** Whether this process is registered: rows that were read earlier may name the last one. */
  isMember(): boolean;
  /** The store has failed for good. */
  failed(error: MetadataStoreError): void;
}

/** The rows of one broker. */
export class LedRows {
  readonly #parts: LedRowsParts;
  readonly #transactions: SubjectTransactions;
  readonly #following: Disposable;

  /** It looks at the rows at each change of the image. */
  constructor(parts: LedRowsParts) {
    this.#parts = parts;
    this.#transactions = new SubjectTransactions({ ...parts, again: (subjects) => this.#look(subjects) });
    this.#following = parts.image.follow((change) => this.#imageChanged(change));
  }

  /** Changes nothing any more. */
  close(): void {
    this.#following[Symbol.dispose]();
    this.#transactions.close();
  }

  #imageChanged({ partitions, brokers, settings }: ImageChange): void {
    const { image } = this.#parts;
    if (brokers) this.#look(image.partitions.keys());
    else {
      this.#look(partitions);
      const changed = new Set(settings);
      if (changed.size === 0) return;
      this.#look([...image.partitions.keys()].filter((partition) => changed.has(topicIdOf(partition))));
    }
  }

  #look(partitions: Iterable<string>): void {
    const { image, broker, isMember } = this.#parts;
    if (!isMember() || image.brokers.get(broker)?.state !== "active") return;
    const wanted: Transaction[] = [];
    for (const partition of partitions) {
      const transaction = this.#wanted(partition);
      if (transaction !== null) wanted.push(transaction);
    }
    if (wanted.length > 0) this.#transactions.propose(wanted);
  }

  #wanted(partition: string): Transaction | null {
    const { image, broker } = this.#parts;
    const base = image.partitions.get(partition);
    if (base === undefined || base.row.leader !== broker || base.row.replicas.length > 1) return null;
    const { row, version } = base;
    const minIsr = Math.min(image.configuredMinIsrOf(partition), replicationFactorOf(row));
    if (!row.recovering && minIsr === row.minIsr) return null;
    const next = changeRow(row, { minIsr, recovered: true, election: "none" }, brokerView(image));
    const own = image.brokers.get(broker);
    if (next === null || own === undefined) return null;
    return {
      subject: partition,
      comparisons: [{ kind: "row", partition, version }, { kind: "state", broker, version: own.stateVersion }],
      writes: [{ kind: "row", partition, row: next }],
    };
  }
}
