/**
 * How many connections are taken a second (KIP-612): `max.connection.creation.rate` of the broker and of a listener, and the quota
 * `connection_creation_rate` of an address. Pure; runs on the main isolate.
 *
 * As in Kafka (ConnectionQuotas): above the rate of the broker or its listener, a listener accepts one more connection and holds it until
 * the rate allows it, while the others wait in the kernel's queue. A connection above the rate of its address is held for as long, at most
 * a window of the quotas, and then closed; the rates of broker and listener are not charged with it. A listener that only other brokers
 * use has its own rate alone. Rates that nothing limits are not counted.
 */
import type { ClientQuota, Rate } from "../../partitions/control.ts";
import { quotaName, rates } from "../../partitions/control.ts";
import { isForBrokers, type ListenerNames, plainAddress } from "./connection_limits.ts";

/** What the rates need. Both change while the broker runs. */
export interface ConnectionRatesParts {
  readonly config: ListenerNames & {
    /** `max.connection.creation.rate` */
    readonly maxConnectionCreationRate: number;
    /** The same of a listener, by name in lower case. */
    readonly listenerConnectionCreationRates: ReadonlyMap<string, number>;
    /** `quota.window.num` */
    readonly quotaWindowNum: number;
    /** `quota.window.size.seconds` in ms */
    readonly quotaWindowMs: number;
  };
  /** Quotas of the image: the same list until one changes. */
  readonly clientQuotas: () => readonly ClientQuota[];
}

/** Kafka's "no limit". */
const NO_LIMIT = 2 ** 31 - 1;
/** Addresses whose connections are counted; beyond that the one that was idle for longest is forgotten. */
export const ADDRESSES_MAX = 10_000;

/** The rates. */
export class ConnectionRates {
  readonly #parts: ConnectionRatesParts;
  /** Due times by listener; the broker's is that of "". */
  readonly #listeners = new Map<string, number>();
  /** Due times by address; which was idle for longest is first. */
  readonly #addresses = new Map<string, number>();
  #seen: readonly ClientQuota[] = [];
  /** Quotas by address; null: any other. */
  #quotas = new Map<string | null, number>();

  constructor(parts: ConnectionRatesParts) {
    this.#parts = parts;
  }

  /** Counts a connection that a listener has accepted. @returns how long it has to wait in ms */
  accepted(listener: number, nowMs: number): number {
    let waitMs = 0;
    for (const [name, perSecond] of this.#limitsOf(listener)) {
      const dueMs = this.#after(this.#listeners.get(name), perSecond, nowMs);
      this.#listeners.set(name, dueMs);
      waitMs = Math.max(waitMs, rates.pauseMs(dueMs, nowMs));
    }
    return waitMs;
  }

  /** Counts it for its address. @returns after how many ms it has to be closed, 0: it is taken */
  refused(host: string, listener: number, nowMs: number): number {
    const address = plainAddress(host);
    const perSecond = this.#quotaOf(address);
    if (perSecond === undefined) return 0;
    const dueMs = this.#after(this.#addresses.get(address), perSecond, nowMs);
    const holdMs = rates.pauseMs(dueMs, nowMs);
    if (holdMs > 0) {
      for (const [name, limit] of this.#limitsOf(listener)) {
        this.#listeners.set(name, (this.#listeners.get(name) ?? nowMs) - 1000 / limit);
      }
      return holdMs;
    }
    this.#addresses.delete(address);
    this.#addresses.set(address, dueMs);
    const [oldest] = this.#addresses.keys();
    if (this.#addresses.size > ADDRESSES_MAX && oldest !== undefined) this.#addresses.delete(oldest);
    return 0;
  }

  #limitsOf(listener: number): [name: string, perSecond: number][] {
    const { config } = this.#parts;
    const { maxConnectionCreationRate, listenerConnectionCreationRates } = config;
    const name = config.listeners[listener]?.name ?? "";
    const ofBroker: [string, number][] = isForBrokers(config, listener) ? [] : [["", maxConnectionCreationRate]];
    const ofListener = listenerConnectionCreationRates.get(name.toLowerCase()) ?? NO_LIMIT;
    return [...ofBroker, [name, ofListener] as [string, number]].filter(([, perSecond]) => perSecond < NO_LIMIT);
  }

  #quotaOf(address: string): number | undefined {
    const quotas = this.#parts.clientQuotas();
    if (quotas !== this.#seen) {
      this.#seen = quotas;
      this.#quotas = new Map(quotas.flatMap(({ entity: { ip }, values }) => {
        const value = values[quotaName.connection];
        return ip === undefined || value === undefined ? [] : [[ip === null ? null : canonical(ip), value] as const];
      }));
    }
    return this.#quotas.size === 0 ? undefined : this.#quotas.get(canonical(address)) ?? this.#quotas.get(null);
  }

  #after(dueMs: number | undefined, perSecond: number, nowMs: number): number {
    const { quotaWindowNum, quotaWindowMs } = this.#parts.config;
    // A connection waits for a window at most, as in Kafka, and so does what is counted behind it.
    const rate: Rate = { perSecond, burstMs: (quotaWindowNum - 1) * quotaWindowMs, debtMsMax: quotaWindowMs };
    return rates.afterUse(dueMs ?? rates.unused(nowMs, rate), 1, nowMs, rate);
  }
}

/** An address in its one spelling: an IPv6 address has several. */
function canonical(address: string): string {
  if (!address.includes(":")) return address;
  return URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address;
}
