/**
 * Leases of one store on etcd. Main isolate.
 *
 * etcd counts a lease's life from its last renewal, and from the election of a new leader of its own: a lease lives at least as long as it
 * says, and up to some seconds more. That a broker holds a lease proves nothing to others; the keys' versions do.
 *
 * A request for a new lease is repeated when its answer is lost: the first lease then ends unused.
 */
import { type Clock, systemClock } from "../../../storage/base/clock.ts";
import { type Lease, MetadataRefusedError, MetadataStoreError, type Transaction } from "../store/store.ts";
import type { EtcdClient, GatewayRequest } from "./etcd_client.ts";
import type { EtcdLimits } from "./etcd_limits.ts";
import { GatewayFailure, refusing } from "./gateway_failure.ts";
import type { AnswerHeader } from "./gateway_messages.ts";

interface GrantAnswer {
  readonly header?: AnswerHeader;
  readonly ID?: string;
  readonly TTL?: string;
}

interface RenewalAnswer {
  readonly header?: AnswerHeader;
  /** What the gateway's stream has in its one line. */
  readonly result?: { readonly header?: AnswerHeader; readonly TTL?: string };
}

/** The leases that one store has granted. */
export class EtcdLeases {
  /** etcd's ids, which are no numbers of JavaScript, by the store's. */
  readonly ids = new Map<number, string>();
  readonly #client: EtcdClient;
  readonly #limits: EtcdLimits;
  readonly #clock: Clock;
  /** When a lease that is not renewed is forgotten, in the clock's time. */
  readonly #forgottenMs = new Map<number, number>();
  #nextId = 1;
  #granting = 0;

  /** @param client of the store */
  constructor(client: EtcdClient, { limits, clock = systemClock }: { limits: EtcdLimits; clock?: Clock }) {
    this.#client = client;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Grants a lease. @throws MetadataRefusedError when etcd does not answer, or the store has too many */
  async grant(ttlMs: number): Promise<Lease> {
    this.#forgetEnded();
    const { leasesMax } = this.#limits;
    if (this.ids.size + this.#granting >= leasesMax) {
      throw new MetadataRefusedError(`Cannot take a lease of etcd: ${leasesMax} are the most`);
    }
    this.#granting++;
    try {
      const request = this.#request("/v3/lease/grant", { TTL: Math.ceil(ttlMs / 1000) });
      const { ID, TTL } = await refusing(this.#client.ask<GrantAnswer>(request), "take a lease of");
      if (ID === undefined) throw new MetadataStoreError("etcd has granted a lease without an id");
      return this.#hold(ID, Number(TTL ?? 0) * 1000);
    } finally {
      this.#granting--;
    }
  }

  #hold(etcdId: string, ttlMs: number): Lease {
    const id = this.#nextId++;
    this.ids.set(id, etcdId);
    this.#renewed(id, ttlMs);
    return { id, ttlMs, keepAlive: () => this.#keepAlive(id, ttlMs), revoke: () => this.#revoke(id) };
  }

  /** A lease that nobody has renewed for twice its time is over, or soon: nobody waits for it. */
  #renewed(id: number, ttlMs: number): void {
    this.#forgottenMs.set(id, this.#clock.monotonicMs() + 2 * ttlMs);
  }

  #forgetEnded(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, forgottenMs] of this.#forgottenMs) if (forgottenMs < nowMs) this.#forget(id);
  }

  #forget(id: number): void {
    this.ids.delete(id);
    this.#forgottenMs.delete(id);
  }

  /** A key that a transaction would give to a lease that has ended, or null. */
  lostBy({ set = [] }: Transaction): string | null {
    return set.find(({ lease }) => lease !== undefined && !this.ids.has(lease))?.key ?? null;
  }

  /** Revokes what is left, when the store is closed; what etcd does not answer ends by itself. */
  async revokeAll(): Promise<void> {
    await Promise.allSettled([...this.ids.keys()].map((id) => this.#revoke(id)));
  }

  async #keepAlive(id: number, ttlMs: number): Promise<boolean> {
    const ID = this.ids.get(id);
    if (ID === undefined) return false;
    const answer = await refusing(
      this.#client.ask<RenewalAnswer>(this.#request("/v3/lease/keepalive", { ID })),
      "renew a lease of",
    );
    const isAlive = Number(answer.result?.TTL ?? 0) > 0;
    if (isAlive) this.#renewed(id, ttlMs);
    else this.#forget(id);
    return isAlive;
  }

  async #revoke(id: number): Promise<void> {
    const ID = this.ids.get(id);
    if (ID === undefined) return;
    try {
      await refusing(this.#client.ask(this.#request("/v3/lease/revoke", { ID })), "end a lease of");
    } catch (error) {
      const { cause } = error as Error;
      if (!(cause instanceof GatewayFailure && cause.isLeaseGone)) throw error;
    }
    this.#forget(id);
  }

  #request(path: string, body: unknown): GatewayRequest {
    return { path, body, proof: "unordered", attemptMs: this.#limits.attemptMs };
  }
}
