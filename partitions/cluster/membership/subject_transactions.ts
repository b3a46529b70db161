/**
 * Carries out what a state machine wants to change in the metadata store: one transaction about a subject at a time, and few at once. The
 * main isolate.
 *
 * ```
 *   propose() ──► pending ──► in flight ──committed──► done when the image has it
 *                                │  └─refused: a version differs──► stale until the image has another version of that key
 *                                ├─unknown──► asked for until it is known
 *                                └─the store takes nothing, or the whole was refused for another part──► again()
 * ```
 *
 * Always: a subject's next transaction is sent only after the outcome of the last one is known, and the image has it. What an image that has
 * moved on contradicts is not sent at all.
 */
import {
  ABSENT,
  MetadataRefusedError,
  type MetadataStore,
  MetadataStoreError,
  type TransactionResult,
} from "../../metadata/store/store.ts";
import type { Transaction } from "../cluster_image.ts";
import { AGAIN_MS, definiteOutcome, type OutcomeParts } from "./definite_outcome.ts";
import type { LiveImage } from "../live_image.ts";
import { type MembershipTime, pauseFor } from "./membership_time.ts";
import {
  type JoinedTransaction,
  joinTransactions,
  type KeyVersion,
  storeComparison,
  type WritingParts,
} from "./store_transactions.ts";

/** Transactions of the store in flight: etcd answers a few side by side sooner than one after the other. */
const IN_FLIGHT_MAX = 6;

/** What it works with. */
export interface SubjectTransactionsParts {
  readonly store: Pick<MetadataStore, "transact" | "resolve" | "limits">;
  readonly image: Pick<LiveImage, "partitions" | "entry" | "revision">;
  readonly time: MembershipTime;
  readonly registrationOf?: WritingParts["registrationOf"];
  /** These subjects are to be decided anew, though the image does not change. */
  again(subjects: readonly string[]): void;
  /** The store has failed for good. */
  failed(error: MetadataStoreError): void;
}

/** The transactions of one proposer. */
export class SubjectTransactions {
  readonly #parts: SubjectTransactionsParts;
  /** By subject, in the order in which they are sent. */
  #pending = new Map<string, Transaction>();
  readonly #inFlight = new Set<string>();
  /** Version that the image has to reach before the subject's next transaction. */
  readonly #awaited = new Map<string, number>();
  /** Comparisons that did not hold, by subject. */
  readonly #stale = new Map<string, readonly KeyVersion[]>();
  #flights = 0;
  #isClosed = false;
  readonly #outcomes: OutcomeParts;

  /** Nothing is sent before `propose()`. */
  constructor(parts: SubjectTransactionsParts) {
    this.#parts = parts;
    this.#outcomes = { ...parts, isClosed: () => this.#isClosed };
  }

  /**
   * Carries transactions out, in this order, behind those that wait already; a newer one about the same subject replaces the one that waits.
   * @param urgent go before everything that waits
   */
  propose(transactions: readonly Transaction[], urgent: readonly Transaction[] = []): void {
    if (urgent.length > 0) {
      const waiting = this.#pending;
      this.#pending = new Map(urgent.map((transaction) => [transaction.subject, transaction]));
      for (const [subject, transaction] of waiting) {
        if (!this.#pending.has(subject)) this.#pending.set(subject, transaction);
      }
    }
    for (const transaction of transactions) this.#pending.set(transaction.subject, transaction);
    this.#send();
  }

  /** Forgets what waits; what is under way ends. */
  clear(): void {
    this.#pending.clear();
  }

  /** Sends nothing any more, and asks for no outcome. */
  close(): void {
    this.#isClosed = true;
    this.clear();
  }

  #send(): void {
    const { image, registrationOf, store } = this.#parts;
    while (this.#flights < IN_FLIGHT_MAX && !this.#isClosed) {
      const joined = joinTransactions(this.#sendable(), { image, registrationOf }, store.limits);
      if (joined.parts.length === 0) return;
      for (const { transaction: { subject } } of joined.parts) {
        this.#pending.delete(subject);
        this.#inFlight.add(subject);
      }
      this.#flights++;
      void this.#carryOut(joined);
    }
  }

  /** What may be sent now, of that which waits. What the image has gone past, or cannot show yet, is decided anew when it moves. */
  *#sendable(): Iterable<Transaction> {
    for (const [subject, transaction] of this.#pending) {
      if (this.#inFlight.has(subject)) continue;
      if (this.#isCurrent(transaction)) yield transaction;
      else this.#pending.delete(subject);
    }
  }

  #isCurrent({ subject, comparisons }: Transaction): boolean {
    if ((this.#awaited.get(subject) ?? 0) > this.#parts.image.revision) return false;
    this.#awaited.delete(subject);
    const isKnown = (compared: KeyVersion) =>
      (this.#parts.image.entry(compared.key)?.version ?? ABSENT) === compared.version;
    if (this.#stale.get(subject)?.every(isKnown) === true) return false;
    this.#stale.delete(subject);
    return comparisons.map(storeComparison).every(isKnown);
  }

  async #carryOut(joined: JoinedTransaction): Promise<void> {
    const { failed, again } = this.#parts;
    const subjects = joined.parts.map(({ transaction }) => transaction.subject);
    let unchanged: readonly string[] = [];
    try {
      unchanged = this.#ended(joined, await definiteOutcome(joined.stored, this.#outcomes));
    } catch (error) {
      if (this.#isClosed) return;
      if (!(error instanceof MetadataRefusedError)) {
        return failed(error instanceof MetadataStoreError ? error : new MetadataStoreError(String(error)));
      }
      await pauseFor(this.#parts.time, AGAIN_MS);
      unchanged = subjects;
    } finally {
      this.#flights--;
      for (const subject of subjects) this.#inFlight.delete(subject);
    }
    if (this.#isClosed) return;
    this.#send();
    if (unchanged.length > 0) again(unchanged);
  }

  /** @returns subjects of which nothing is known to have changed */
  #ended({ parts }: JoinedTransaction, result: TransactionResult): string[] {
    if (result.outcome === "committed") {
      for (const { transaction } of parts) this.#awaited.set(transaction.subject, result.version);
      return [];
    }
    const conflicts = new Set(result.outcome === "refused" ? result.conflicts : []);
    const unchanged: string[] = [];
    for (const { transaction: { subject }, compare } of parts) {
      const stale = compare.filter(({ key }) => conflicts.has(key));
      if (stale.length > 0) this.#stale.set(subject, stale);
      else unchanged.push(subject);
    }
    return unchanged;
  }
}
