/**
 * Transactions on etcd: each is carried out once or not at all, whatever becomes of requests and answers. Main isolate.
 *
 * ```
 *                   ┌── no answer: the same request again, at another member ──┐
 *   slot ──► request ┴─► answered: committed or refused ──► slot free           │
 *                   └─► refused by etcd itself ──► abandon ──► refused, or committed after all
 *                   └─► time is up ──► unknown; the slot stays taken until resolve() has abandoned it
 * ```
 *
 * Always: a slot is used by one transaction at a time, and again only after the outcome of the last one is known.
 */
import { MetadataRefusedError, MetadataStoreError, type Transaction, type TransactionResult } from "../store/store.ts";
import { BoundedPool } from "./bounded_pool.ts";
import type { EtcdClient, GatewayRequest } from "./etcd_client.ts";
import { type EtcdLimits, TRANSACTION_BYTES_MAX, TRANSACTION_KEYS_MAX } from "./etcd_limits.ts";
import type { EtcdLeases } from "./etcd_leases.ts";
import { GatewayFailure, grpcCode, refusedBy, refusing } from "./gateway_failure.ts";
import { encodeText, type RangeAnswer, revisionOf, type TxnAnswer, type TxnRequest } from "./gateway_messages.ts";
import {
  abandonedOutcome,
  abandonRequest,
  claimRequest,
  createdVersion,
  creationRequest,
  leaveRequest,
  otherSessions,
  ownedVersion,
  ownersRequest,
  ownRequest,
  type Slot,
  type SlotOutcome,
  type SlotOwner,
  slotsOf,
  transactionOutcome,
  transactionRequest,
} from "./slot_requests.ts";

/** What transactions use. */
export interface EtcdTransactionsParts {
  readonly client: Pick<EtcdClient, "ask" | "attempt" | "attempts">;
  readonly owner: SlotOwner;
  readonly limits: EtcdLimits;
  readonly leases: Pick<EtcdLeases, "ids" | "lostBy">;
}

/** Processes whose slots are deleted at a time, two operations each. */
const CLAIMED_MAX = 50;
/** How often that is done at most: more processes than these have not ended badly since the last one that ran. */
const CLAIMS_MAX = 20;

interface Unresolved {
  readonly slot: Slot;
  resolving: Promise<TransactionResult> | null;
}

/** The transactions of one store. */
export class EtcdTransactions {
  readonly #parts: EtcdTransactionsParts;
  readonly #slots: BoundedPool<Slot>;
  /** Transactions of unknown outcome; each keeps its slot, so there are at most `slotsMax`. */
  readonly #unresolved = new Map<string, Unresolved>();
  #ownerVersion = 0;
  #nextId = 1;

  /** @param parts of the store */
  constructor(parts: EtcdTransactionsParts) {
    this.#parts = parts;
    const { owner, limits } = parts;
    const waits = { waitingMax: limits.waitingTransactionsMax, waitMs: limits.requestMs };
    this.#slots = new BoundedPool(slotsOf(owner, limits.slotsMax), waits);
  }

  /** Writes the row of this process, which its slots need. @throws GatewayFailure @throws MetadataStoreError */
  async own(): Promise<void> {
    const { client, owner } = this.#parts;
    this.#ownerVersion = ownedVersion(await client.ask<TxnAnswer>(this.#ordered(ownRequest(owner))));
  }

  /**
   * Ends the transactions of all other processes with the same owner, which have ended, or have to. What etcd does not answer stays until
   * the next process does this.
   * @throws MetadataStoreError when etcd cannot be used
   */
  async claim(): Promise<void> {
    const { client, owner, limits: { attemptMs } } = this.#parts;
    const body = ownersRequest(owner, CLAIMED_MAX);
    try {
      for (let round = 0; round < CLAIMS_MAX; round++) {
        const request = { path: "/v3/kv/range", body, proof: "read", attemptMs } as const;
        const others = otherSessions(await client.ask<RangeAnswer>(request), owner);
        if (others.length === 0) return;
        const answer = await client.ask<TxnAnswer>(this.#ordered(claimRequest(owner, others, this.#ownerVersion)));
        if (answer.succeeded !== true) throw this.#taken();
      }
    } catch (error) {
      if (!(error instanceof GatewayFailure)) throw error; // rows of processes that have ended harm nobody
    }
  }

  /** Deletes what this process has in etcd for its transactions, if etcd answers at once. None is made afterwards. */
  async leave(): Promise<void> {
    const { client, owner } = this.#parts;
    try {
      await client.attempt(this.#ordered(leaveRequest(owner)));
    } catch (error) {
      if (!(error instanceof GatewayFailure) && !(error instanceof MetadataStoreError)) throw error; // claim() does it
    }
  }

  /**
   * The revision of etcd now, by a transaction that changes nothing.
   * @throws GatewayFailure @throws MetadataStoreError when etcd was restored
   */
  async currentRevision(): Promise<number> {
    const nothing = { request_delete_range: { key: encodeText(`${this.#parts.owner.prefix}~nothing`) } };
    const request = this.#ordered({ compare: [], success: [nothing], failure: [] });
    return revisionOf((await this.#parts.client.ask<TxnAnswer>(request)).header?.revision);
  }

  /** Carries out a transaction. @throws MetadataRefusedError when nothing changed @throws MetadataStoreError when etcd cannot be used */
  async transact(transaction: Transaction): Promise<TransactionResult> {
    refuseLarge(transaction);
    const lost = this.#parts.leases.lostBy(transaction);
    if (lost !== null) return { outcome: "refused", conflicts: [lost] };
    const slot = await this.#slots.take();
    const id = String(this.#nextId++);
    let result: TransactionResult | null = null;
    try {
      await this.#create(slot);
      result = await this.#send(transaction, slot, id);
      return result;
    } finally {
      if (result?.outcome !== "unknown") this.#slots.give(slot);
    }
  }

  /** Finds out how a transaction has ended. @throws MetadataRefusedError when the id is not of one of unknown outcome */
  resolve(id: string): Promise<TransactionResult> {
    const unresolved = this.#unresolved.get(id);
    if (unresolved === undefined) {
      return Promise.reject(
        new MetadataRefusedError(`The metadata store knows no transaction ${id} of unknown outcome`),
      );
    }
    unresolved.resolving ??= this.#resolve(id, unresolved).finally(() => unresolved.resolving = null);
    return unresolved.resolving;
  }

  /** Refuses transactions that wait. */
  refuseAll(error: Error): void {
    this.#slots.refuseAll(error);
  }

  async #resolve(id: string, { slot }: Unresolved): Promise<TransactionResult> {
    const result = await this.#abandon(slot, id);
    if (result.outcome === "unknown") return result;
    this.#unresolved.delete(id);
    this.#slots.give(slot);
    return result;
  }

  /** Creates the slot when it does not exist. */
  async #create(slot: Slot): Promise<void> {
    if (slot.version !== 0) return;
    const { client, owner } = this.#parts;
    const request = this.#ordered(creationRequest(slot, owner, this.#ownerVersion));
    const answer = await refusing(client.ask<TxnAnswer>(request), "write metadata to");
    const version = createdVersion(answer, owner);
    if (version === null) throw this.#taken();
    slot.version = version;
  }

  async #send(transaction: Transaction, slot: Slot, id: string): Promise<TransactionResult> {
    const { client, owner, leases } = this.#parts;
    const request = this.#ordered(transactionRequest(transaction, slot, { owner, id, leaseIds: leases.ids }));
    const attempts = client.attempts();
    let mayArrive = false;
    for (;;) {
      try {
        const answer = await client.attempt<TxnAnswer>(request);
        return this.#settle(slot, transactionOutcome(answer, transaction, { owner, id }));
      } catch (error) {
        if (!(error instanceof GatewayFailure)) throw error;
        if (error.kind === "refused") return await this.#onRefusal(error, { transaction, slot, id, mayArrive });
        mayArrive ||= error.kind === "unknown";
        if (await attempts.next()) continue;
        if (mayArrive) return this.#keep(id, slot);
        throw refusedBy(error, "write metadata to");
      }
    }
  }

  /** etcd itself refuses: nothing was carried out, unless it is out of space, or an earlier copy arrived. */
  async #onRefusal(
    failure: GatewayFailure,
    sent: { transaction: Transaction; slot: Slot; id: string; mayArrive: boolean },
  ): Promise<TransactionResult> {
    const { transaction, slot, id, mayArrive } = sent;
    const isForEver = failure.isLeaseGone || failure.code === grpcCode.INVALID_ARGUMENT;
    if (mayArrive || !isForEver) {
      const result = await this.#abandon(slot, id);
      if (result.outcome === "unknown") return this.#keep(id, slot);
      if (result.outcome === "committed") return result;
    }
    if (failure.isLeaseGone) {
      return {
        outcome: "refused",
        conflicts: (transaction.set ?? []).filter(({ lease }) => lease !== undefined).map(({ key }) => key),
      };
    }
    throw refusedBy(failure, "write metadata to");
  }

  async #abandon(slot: Slot, id: string): Promise<TransactionResult> {
    const { client, owner } = this.#parts;
    try {
      const answer = await client.ask<TxnAnswer>(this.#ordered(abandonRequest(slot, owner)));
      return this.#settle(slot, abandonedOutcome(answer, { owner, id, ownerVersion: this.#ownerVersion }));
    } catch (error) {
      if (error instanceof GatewayFailure) return { outcome: "unknown", id };
      throw error;
    }
  }

  #keep(id: string, slot: Slot): TransactionResult {
    this.#unresolved.set(id, { slot, resolving: null });
    return { outcome: "unknown", id };
  }

  /** Notes the slot's version. @throws MetadataStoreError when another process has the slot */
  #settle(slot: Slot, found: SlotOutcome): TransactionResult {
    if (found.outcome === "taken") throw this.#taken();
    slot.version = found.version;
    return found.outcome === "committed" ? found : { outcome: "refused", conflicts: found.conflicts };
  }

  #ordered(body: TxnRequest): GatewayRequest {
    return { path: "/v3/kv/txn", body, proof: "ordered", attemptMs: this.#parts.limits.attemptMs };
  }

  #taken(): MetadataStoreError {
    const { owner, prefix } = this.#parts.owner;
    return new MetadataStoreError(
      `Another process uses the metadata in etcd below ${prefix} as "${owner}", or its keys were deleted; stop one of the two`,
    );
  }
}

function refuseLarge({ compare = [], set = [], delete: deleted = [] }: Transaction): void {
  const keys = Math.max(compare.length, set.length + deleted.length);
  if (keys > TRANSACTION_KEYS_MAX) {
    throw new MetadataRefusedError(`Cannot change ${keys} keys of etcd at once: ${TRANSACTION_KEYS_MAX} are the most`);
  }
  let bytes = 0;
  for (const { key } of compare) bytes += 2 * key.length;
  for (const key of deleted) bytes += key.length;
  for (const { key, value } of set) bytes += key.length + value.length; // at least; etcd checks the exact size
  if (bytes > TRANSACTION_BYTES_MAX) {
    throw new MetadataRefusedError(
      `Cannot write ${bytes} bytes to etcd at once: ${TRANSACTION_BYTES_MAX} are the most`,
    );
  }
}
