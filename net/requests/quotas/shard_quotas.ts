/**
 * The client quotas of the image, as a shard applies them. Use is counted in memory that all shards share, so a quota holds for the broker,
 * as Kafka's. Runs on shards.
 *
 * While there are no quotas, a charge is a comparison. With some, the client's are looked up when it sends another client id or the quotas
 * have changed; otherwise a charge reads a few words of each shard and writes some of its own (rate_table.ts).
 *
 * Unlike Kafka, a fetch that alone exceeds what can be saved up is answered once all is saved up, and the client pauses after it. From
 * Kafka it gets nothing, ever.
 */
import {
  type ClientQuota,
  QuotaLookup,
  quotaName,
  type Rate,
  rates,
  type RateTable,
  userOf,
} from "../../../partitions/mod.ts";
import type { ChargedClient, ClientRates, QuotaKind, Quotas, SharedRate } from "./quotas.ts";

/** What the quotas need. */
export interface ShardQuotasParts {
  /** The same list until a quota changes. */
  readonly image: { readonly clientQuotas: readonly ClientQuota[] };
  readonly table: RateTable;
  /** `quota.window.num` */
  readonly windowNum: number;
  /** `quota.window.size.seconds` in ms */
  readonly windowMs: number;
  /** Monotonic time in ms with the same zero on all shards. */
  readonly nowMs: () => number;
}

/** A percentage of a thread, in microseconds a second. */
const US_PER_PERCENT = 10_000;

/** The quotas of one shard. */
export class ShardQuotas implements Quotas {
  readonly #parts: ShardQuotasParts;
  readonly #burstMs: number;
  #seen: readonly ClientQuota[] = [];
  #isEmpty = true;
  #measuresTime = false;
  #version = 0;
  #lookups = lookupsOf([]);

  constructor(parts: ShardQuotasParts) {
    this.#parts = parts;
    this.#burstMs = (parts.windowNum - 1) * parts.windowMs;
  }

  get isEmpty(): boolean {
    this.#look();
    return this.#isEmpty;
  }

  get measuresTime(): boolean {
    this.#look();
    return this.#measuresTime;
  }

  nowUs(): number {
    return this.#parts.nowMs() * 1000;
  }

  charge(client: ChargedClient, kind: QuotaKind, amount: number): number {
    const found = this.#rateOf(client, kind);
    return found === null ? 0 : this.#use(found, kind, amount);
  }

  tryCharge(client: ChargedClient, kind: QuotaKind, amount: number): number {
    const found = this.#rateOf(client, kind);
    if (found === null) return 0;
    if (!(found.perSecond > 0)) return rates.PAUSE_MS_MAX;
    const nowMs = this.#parts.nowMs();
    const rate = this.#rate(kind, found);
    const dueMs = this.#parts.table.read(found.sharers, nowMs, rate);
    const pauseMs = rates.pauseMs(rates.afterUse(dueMs, amount, nowMs, rate), nowMs);
    const isAllSaved = dueMs <= rates.unused(nowMs, rate);
    if (pauseMs > 0 && !isAllSaved) return pauseMs;
    this.#parts.table.count(found.sharers, amount, nowMs, { dueMs, rate });
    return 0;
  }

  fetchBytesMax(client: ChargedClient): number {
    const found = this.#rateOf(client, "fetch");
    return found === null ? Infinity : Math.max(0, Math.floor(found.perSecond * this.#burstMs / 1000));
  }

  #use(found: SharedRate, kind: QuotaKind, amount: number): number {
    const { table, windowMs } = this.#parts;
    // Kafka's pause for a quota of 0 is as long as can be. The store refuses to keep one.
    const mostMs = kind === "request" ? windowMs : rates.PAUSE_MS_MAX;
    if (!(found.perSecond > 0)) return mostMs;
    const nowMs = this.#parts.nowMs();
    const rate = this.#rate(kind, found);
    const dueMs = table.read(found.sharers, nowMs, rate);
    return Math.min(mostMs, rates.pauseMs(table.count(found.sharers, amount, nowMs, { dueMs, rate }), nowMs));
  }

  /** Time is paid for by pauses of a window at most, as in Kafka, so its debt is limited, too. */
  #rate(kind: QuotaKind, { perSecond }: SharedRate): Rate {
    const { windowNum, windowMs } = this.#parts;
    return { perSecond, burstMs: this.#burstMs, debtMsMax: kind === "request" ? windowNum * windowMs : Infinity };
  }

  #rateOf(client: ChargedClient, kind: QuotaKind): SharedRate | null {
    this.#look();
    if (this.#isEmpty || client.brokerId !== null) return null;
    const known = client.clientRates;
    const { principal, clientId } = client;
    if (known?.version === this.#version && known.clientId === clientId && known.principal === principal) {
      return known.rates[kind];
    }
    client.clientRates = this.#ratesOf(principal, clientId);
    return client.clientRates.rates[kind];
  }

  #ratesOf(principal: string, clientId: string): ClientRates {
    const user = userOf(principal);
    const rateOf = (kind: QuotaKind): SharedRate | null => {
      const found = this.#lookups[kind].find(user, clientId);
      if (found === null) return null;
      const perSecond = found.perSecond * (kind === "request" ? US_PER_PERCENT : 1);
      return { sharers: this.#parts.table.sharersOf(`${kind} ${found.sharers}`), perSecond };
    };
    const found = { produce: rateOf("produce"), fetch: rateOf("fetch"), request: rateOf("request") };
    return { principal, clientId, version: this.#version, rates: found };
  }

  /** Takes the quotas of the image when they are others. */
  #look(): void {
    const { clientQuotas } = this.#parts.image;
    if (clientQuotas === this.#seen) return;
    this.#seen = clientQuotas;
    this.#version++;
    this.#lookups = lookupsOf(clientQuotas);
    const { produce, fetch, request } = this.#lookups;
    this.#measuresTime = !request.isEmpty;
    this.#isEmpty = produce.isEmpty && fetch.isEmpty && request.isEmpty;
  }
}

function lookupsOf(quotas: readonly ClientQuota[]): Record<QuotaKind, QuotaLookup> {
  return {
    produce: new QuotaLookup(quotas, quotaName.produce),
    fetch: new QuotaLookup(quotas, quotaName.fetch),
    request: new QuotaLookup(quotas, quotaName.request),
  };
}
