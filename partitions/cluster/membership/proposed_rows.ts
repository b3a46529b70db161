/**
 * Executes the changes of rows that leaders on shards want (row_proposals.ts), each as a compare-and-set. The main isolate.
 *
 * ```
 *   the image has another partition epoch            ──► conflict
 *   a broker is not as the proposal says             ──► refused
 *   the store refused: the row differs               ──► conflict
 *                      a broker's row differs        ──► refused
 *                      another one joined with it    ──► executed again
 *                      nothing, or took nothing      ──► unknown
 *   committed, and the image has it                  ──► committed
 * ```
 *
 * Always: "committed" is said only when the image has the row, so a shard never knows a later row than the image does.
 */
import {
  ABSENT,
  MetadataRefusedError,
  type MetadataStore,
  MetadataStoreError,
  type TransactionResult,
} from "../../metadata/store/store.ts";
import type { Transaction } from "../cluster_image.ts";
import type { LiveImage } from "../live_image.ts";
import type { RowOutcome, RowProposal, RowProposals } from "../row_proposals.ts";
import { definiteOutcome } from "./definite_outcome.ts";
import type { MembershipTime } from "./membership_time.ts";
import { type JoinedTransaction, joinTransactions, type KeyVersion, storeComparison } from "./store_transactions.ts";
import { partitionStoreKey } from "../cluster_rows.ts";

/** What it works with. */
export interface ProposedRowsParts {
  readonly store: Pick<MetadataStore, "transact" | "resolve" | "limits">;
  readonly image: Pick<LiveImage, "partitions" | "entry" | "revision" | "follow">;
  readonly time: MembershipTime;
  /** The store has failed for good. */
  failed(error: MetadataStoreError): void;
}

/** Transactions of the store in flight for one call. */
const IN_FLIGHT_MAX = 4;

/** A proposal under way. */
interface Pending {
  readonly proposal: RowProposal;
  readonly subject: string;
  outcome: RowOutcome | null;
}

/** The changes of rows that this broker's leaders want. */
export class ProposedRows implements RowProposals {
  readonly #parts: ProposedRowsParts;
  /** Who waits until the image has a version. */
  readonly #waiting: { readonly version: number; readonly reached: () => void }[] = [];
  readonly #following: Disposable;
  #isClosed = false;

  /** @param parts the store, and the image that follows it */
  constructor(parts: ProposedRowsParts) {
    this.#parts = parts;
    this.#following = parts.image.follow(() => this.#imageChanged());
  }

  async change(proposals: readonly RowProposal[]): Promise<readonly RowOutcome[]> {
    const all = proposals.map((proposal): Pending => {
      return { proposal, subject: `${proposal.topicId}/${proposal.partition}`, outcome: null };
    });
    while (!this.#isClosed) {
      const joined = this.#join(all.filter(({ outcome }) => outcome === null));
      if (joined.length === 0) break;
      await Promise.all(joined.map(([group, transaction]) => this.#execute(group, transaction)));
    }
    return all.map(({ outcome }) => outcome ?? "unknown");
  }

  /** Changes nothing any more. What is under way has an unknown outcome. */
  close(): void {
    this.#isClosed = true;
    this.#following[Symbol.dispose]();
    for (const { reached } of this.#waiting.splice(0)) reached();
  }

  /** The next transactions of the store, with the proposals that each has. Those that the image contradicts end. */
  #join(pending: readonly Pending[]): [readonly Pending[], JoinedTransaction][] {
    const { image, store: { limits } } = this.#parts;
    const bySubject = new Map<string, Pending>();
    const transactions: Transaction[] = [];
    for (const one of pending) {
      if (bySubject.has(one.subject)) continue; // a later one about the same partition
      const transaction = this.#transactionOf(one);
      if (transaction === null) continue;
      bySubject.set(one.subject, one);
      transactions.push(transaction);
    }
    const joined: [readonly Pending[], JoinedTransaction][] = [];
    for (let next = 0; next < transactions.length && joined.length < IN_FLIGHT_MAX;) {
      const group = joinTransactions(transactions.slice(next), { image }, limits);
      joined.push([group.parts.map(({ transaction: { subject } }) => bySubject.get(subject) as Pending), group]);
      next += group.parts.length;
    }
    return joined;
  }

  /** @returns null when the proposal has ended, because the image says otherwise */
  #transactionOf(pending: Pending): Transaction | null {
    const { image } = this.#parts;
    const { proposal: { partitionEpoch, row, comparisons }, subject } = pending;
    const base = image.partitions.get(subject);
    if (base?.row.partitionEpoch !== partitionEpoch) pending.outcome = "conflict";
    else if (!comparisons.map(storeComparison).every((compared) => this.#isKnown(compared))) {
      pending.outcome = "refused";
    } else {
      return {
        subject,
        comparisons: [{ kind: "row", partition: subject, version: base.version }, ...comparisons],
        writes: [{ kind: "row", partition: subject, row }],
      };
    }
    return null;
  }

  #isKnown({ key, version }: KeyVersion): boolean {
    return (this.#parts.image.entry(key)?.version ?? ABSENT) === version;
  }

  async #execute(group: readonly Pending[], { stored }: JoinedTransaction): Promise<void> {
    const { store, time, failed } = this.#parts;
    let result: TransactionResult;
    try {
      result = await definiteOutcome(stored, { store, time, isClosed: () => this.#isClosed });
    } catch (error) {
      for (const pending of group) pending.outcome = "unknown";
      if (error instanceof MetadataRefusedError) return;
      return failed(error instanceof MetadataStoreError ? error : new MetadataStoreError(String(error)));
    }
    if (result.outcome === "committed") await this.#reached(result.version);
    for (const pending of group) pending.outcome = outcomeOf(pending, result, group.length);
  }

  #imageChanged(): void {
    const { revision } = this.#parts.image;
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      const { version, reached } = this.#waiting[index] as { version: number; reached: () => void };
      if (version > revision) continue;
      this.#waiting.splice(index, 1);
      reached();
    }
  }

  #reached(version: number): Promise<void> {
    if (this.#isClosed || this.#parts.image.revision >= version) return Promise.resolve();
    return new Promise((reached) => void this.#waiting.push({ version, reached }));
  }
}

/** How a proposal of a transaction ended; null: it is executed again, because another one of the transaction was refused. */
function outcomeOf({ proposal, subject }: Pending, result: TransactionResult, count: number): RowOutcome | null {
  if (result.outcome !== "refused") return result.outcome;
  const conflicts = new Set(result.conflicts);
  if (conflicts.has(partitionStoreKey(subject))) return "conflict";
  if (proposal.comparisons.some((comparison) => conflicts.has(storeComparison(comparison).key))) return "refused";
  return count === 1 ? "unknown" : null;
}
