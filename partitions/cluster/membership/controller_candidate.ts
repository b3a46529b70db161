/**
 * One process's candidacy for the controller's key. The main isolate.
 *
 * ```
 *   no controller, or one that does not answer ──rank × 50 ms──► lease ──► compare-and-set ──committed──► controller
 *        ▲                                                                     └──refused──► lease given back
 *        └────── the key has another holder, or none: the lease expired, or was given back ◄───────────────┘
 * ```
 *
 * The lease makes a dead controller's key disappear; it proves nothing. A process that was paused finds in the image that it is no controller
 * any more, or its first transaction fails. One that does not answer is replaced without waiting for its lease, but only once by this
 * process: a network that cuts two brokers off from each other must not make them replace each other for ever. One that hears too few brokers
 * gives the key back (`resign()`), and lets others try first.
 */
import {
  type Lease,
  MetadataRefusedError,
  type MetadataStore,
  MetadataStoreError,
} from "../../metadata/store/store.ts";
import { ABSENT } from "../cluster_image.ts";
import { candidacy } from "../controller_state.ts";
import { AGAIN_MS, definiteOutcome } from "./definite_outcome.ts";
import type { LiveImage } from "../live_image.ts";
import { type MembershipTime, pauseFor } from "./membership_time.ts";
import { joinTransactions } from "./store_transactions.ts";

/** How long the controller's key outlives its process, as far as the store grants it. */
const LEASE_MS = 2000;
/** Renewals in a lease's time. */
const RENEWALS = 3;
/** Candidates wait so long for each one before them. */
const RANK_MS = 50;
/** Processes of which is known that they were replaced. */
const DEPOSED_MAX = 64;

/** What a candidate works with. */
export interface CandidateParts {
  readonly store: Pick<MetadataStore, "transact" | "resolve" | "limits" | "grantLease">;
  readonly image: LiveImage;
  readonly time: MembershipTime;
  readonly broker: number;
  readonly incarnation: string;
  /** Where other brokers reach this one. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** The store has failed for good. */
  failed(error: MetadataStoreError): void;
}

/** One process's candidacy. */
export class ControllerCandidate {
  readonly #parts: CandidateParts;
  readonly #deposed = new Set<string>();
  #isCandidate = false;
  /** Until then others may have the office. */
  #waitsUntilMs = 0;
  #isClosed = false;
  #isProposing = false;
  #lease: Lease | null = null;
  /** Version of the transaction that made this process the controller: the image has to reach it. */
  #wonVersion = 0;
  /** The attempt that waits for its rank. */
  #next: { readonly epoch: number; readonly cancel: () => void } | null = null;

  /** It is no candidate before `begin()`. */
  constructor(parts: CandidateParts) {
    this.#parts = parts;
  }

  /** Whether the image says that this process is the controller. */
  get isController(): boolean {
    return this.#parts.image.controller?.incarnation === this.#parts.incarnation;
  }

  /** The process answers other brokers: it may become the controller. */
  begin(): void {
    this.#isCandidate = true;
    this.imageChanged();
  }

  /** The image has moved on. */
  imageChanged(): void {
    const { image } = this.#parts;
    if (this.#isProposing || image.revision < this.#wonVersion || this.isController) return;
    if (this.#lease !== null) void this.#giveBack();
    if (image.controllerEpoch === ABSENT) this.#attemptSoon(ABSENT);
  }

  /** The controller does not answer: nobody listens where it should, or another process does. */
  depose(): void {
    const { image, incarnation } = this.#parts;
    const { controller, controllerEpoch } = image;
    if (controller === null || controller.incarnation === incarnation || !this.#isCandidate) return;
    if (this.#deposed.has(controller.incarnation)) return;
    this.#deposed.add(controller.incarnation);
    if (this.#deposed.size > DEPOSED_MAX) this.#deposed.delete([...this.#deposed][0] as string);
    this.#attemptSoon(controllerEpoch);
  }

  /** Ends the term: others may have the office. @param pauseMs if it is still free then, this process is a candidate again */
  resign(pauseMs: number): void {
    this.#waitsUntilMs = this.#parts.time.clock.monotonicMs() + pauseMs;
    void this.#giveBack();
  }

  /** Ends the candidacy, and the term. Settles when the store has been told, or does not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isCandidate = false;
    this.#next?.cancel();
    await this.#giveBack();
  }

  /** @param epoch of the controller that is replaced, ABSENT for none */
  #attemptSoon(epoch: number): void {
    // Changes of other rows do not put an attempt off.
    if (!this.#isCandidate || this.#isClosed || this.#next?.epoch === epoch) return;
    this.#next?.cancel();
    const { time } = this.#parts;
    const waitMs = Math.max(this.#rank() * RANK_MS, this.#waitsUntilMs - time.clock.monotonicMs());
    const cancel = time.after(waitMs, () => {
      this.#next = null;
      void this.#attempt(epoch);
    });
    this.#next = { epoch, cancel };
  }

  /** How many brokers try before this one. */
  #rank(): number {
    const { image, broker } = this.#parts;
    const isActive = (id: number) => image.brokers.get(id)?.state === "active";
    const before = [...image.brokers.keys()].filter((id) => id !== image.controller?.broker && isActive(id));
    return isActive(broker) ? before.filter((id) => id < broker).length : before.length;
  }

  async #attempt(epoch: number): Promise<void> {
    const { store, image, broker, incarnation, endpoint, time } = this.#parts;
    const transaction = candidacy(image, broker, incarnation, epoch);
    if (transaction === null || this.#isProposing || !this.#isCandidate) return;
    this.#isProposing = true;
    const { revision } = image;
    let isConflict = false;
    try {
      const lease = this.#lease = await store.grantLease(LEASE_MS);
      this.#renewLater(lease);
      const { stored } = joinTransactions(
        [transaction],
        { image, controller: { ...endpoint, lease: lease.id } },
        store.limits,
      );
      const result = await definiteOutcome(stored, { store, time, isClosed: () => this.#isClosed });
      if (result.outcome === "committed") this.#wonVersion = result.version;
      isConflict = result.outcome === "refused" && result.conflicts.length > 0;
    } catch (error) {
      if (!this.#isRefusal(error)) return;
      await pauseFor(time, AGAIN_MS);
    } finally {
      this.#isProposing = false;
    }
    if (this.#isClosed) await this.#giveBack();
    // After a conflict the image moves on, or has done so meanwhile, which says what is next; then the lease is given back, too.
    else if (!isConflict || image.revision !== revision) this.imageChanged();
  }

  #renewLater(lease: Lease): void {
    this.#parts.time.after(lease.ttlMs / RENEWALS, () => void this.#renew(lease));
  }

  async #renew(lease: Lease): Promise<void> {
    if (this.#lease !== lease) return;
    let isAlive = true;
    try {
      isAlive = await lease.keepAlive();
    } catch (error) {
      if (!this.#isRefusal(error)) return;
    }
    if (isAlive) this.#renewLater(lease);
    else if (this.#lease === lease) this.#lease = null;
  }

  async #giveBack(): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    try {
      await lease?.revoke();
    } catch (error) {
      this.#isRefusal(error); // A lease that cannot be given back expires.
    }
  }

  /** Whether the store refused this request alone; else it has failed. */
  #isRefusal(error: unknown): boolean {
    if (error instanceof MetadataRefusedError) return true;
    const failure = error instanceof MetadataStoreError ? error : new MetadataStoreError(String(error));
    if (!this.#isClosed) this.#parts.failed(failure);
    return false;
  }
}
