/**
 * What is under way in the cluster simulation: messages, transactions, writes to disk. All wait in one list, and any of them may be next.
 * Links lose everything while they are cut; what waits for a paused process stays. Test code.
 */
import type { Transaction } from "../../partitions/cluster/cluster_image.ts";
import type { BrokerProcess, TransactionOutcome } from "./simulated_process.ts";
import type { SimulatedStore } from "./simulated_store.ts";

/** Something under way. */
export interface Pending {
  /** Process that it waits for; null for the store. */
  readonly target: BrokerProcess | null;
  /** From one node to another. */
  readonly from: number;
  readonly to: number;
  /** It does not happen earlier. */
  readonly readyMs?: number;
  run(): void;
}

/** Node of the store. */
export const STORE = 0;
/** A step takes up to this time. */
const STEP_MS_MAX = 8;
/** How long a slow message is on its way at most. */
const SLOW_MS_MAX = 2500;
const UNKNOWN_BEFORE = 0.1;
const UNKNOWN_AFTER = 0.15;

/** The network, and time. */
export class SimulatedNetwork {
  readonly paused = new Set<number>();
  readonly #cuts = new Set<number>();
  /** Share of messages that are on their way for long. */
  slowMessages = 0;
  isStoreAway = false;
  /** Whether messages may be late and outcomes unknown. */
  isFaulty = true;
  nowMs = 0;
  readonly #random: () => number;
  readonly #store: SimulatedStore;
  readonly #pending: Pending[] = [];

  constructor(random: () => number, store: SimulatedStore) {
    this.#random = random;
    this.#store = store;
  }

  /** Cuts a link in one direction. */
  cut(from: number, to: number): void {
    this.#cuts.add(from * 16 + to);
  }

  /** Whether messages from one node to another are lost. */
  isCut(from: number, to: number): boolean {
    return this.#cuts.has(from * 16 + to);
  }

  heal(): void {
    this.#cuts.clear();
  }

  passTime(): void {
    this.nowMs += this.#random() * STEP_MS_MAX;
  }

  /** The faults end; what is on its way still arrives. */
  becomeReliable(): void {
    this.isFaulty = false;
    this.isStoreAway = false;
    this.heal();
    this.paused.clear();
  }

  push(pending: Pending): void {
    this.#pending.push(pending);
  }

  /** Sends a message: most are quick, a few arrive much later than those that follow. */
  send(pending: Pending): void {
    const isSlow = this.isFaulty && this.#random() < this.slowMessages;
    this.push(isSlow ? { ...pending, readyMs: this.nowMs + this.#random() * SLOW_MS_MAX } : pending);
  }

  /** Lets something happen. */
  deliver(): void {
    const { length } = this.#pending;
    if (length === 0) return;
    const index = Math.floor(this.#random() * length);
    const pending = this.#pending[index] as Pending;
    if ((pending.readyMs ?? 0) > this.nowMs) return;
    if (pending.target !== null && this.paused.has(pending.target.id)) return;
    this.#pending[index] = this.#pending[length - 1] as Pending;
    this.#pending.pop();
    this.#run(pending);
  }

  /** Lets everything happen that is ready. */
  deliverAll(): void {
    for (const pending of this.#pending.splice(0)) {
      if ((pending.readyMs ?? 0) > this.nowMs) this.#pending.push(pending);
      else this.#run(pending);
    }
  }

  /** A transaction, whose outcome may stay unknown, and which may be executed again later. */
  transact(from: BrokerProcess, transaction: Transaction, done: (outcome: TransactionOutcome) => void): void {
    const answer = (outcome: TransactionOutcome) =>
      this.push({ target: from, from: from.id, to: from.id, run: () => done(outcome) });
    const run = () => {
      const isReached = !this.isStoreAway && !this.isCut(from.id, STORE);
      if (!isReached || (this.isFaulty && this.#random() < UNKNOWN_BEFORE)) {
        const again = () => void (this.isStoreAway || this.#store.transact(transaction));
        const readyMs = this.nowMs + this.#random() * SLOW_MS_MAX;
        if (this.#random() < 0.5) this.push({ target: null, from: STORE, to: STORE, readyMs, run: again });
        return answer("unknown");
      }
      const revision = this.#store.transact(transaction);
      answer(this.isFaulty && this.#random() < UNKNOWN_AFTER ? "unknown" : revision ?? "failed");
    };
    this.push({ target: null, from: from.id, to: STORE, run });
  }

  #run({ target, from, to, run }: Pending): void {
    if (target?.isDead) return;
    if (from !== to && to !== STORE && this.isCut(from, to)) return;
    run();
  }
}
