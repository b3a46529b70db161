/**
 * Timers of one member of a consumer group. Whichever runs out, the member is put out of the group. All but the session are made when
 * they are first needed: most members never need them. Runs on shards.
 */
import type { Deadlines } from "../../../requests/deadlines.ts";
import { LazyTimer } from "../../runtime/lazy_timer.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";

/** The timers. */
export class MemberTimers {
  /** To be heard of. */
  readonly session: LazyTimer;
  readonly #timers: Deadlines<Timer>;
  readonly #fire: () => void;
  #rebalance: LazyTimer | null = null;
  #join: LazyTimer | null = null;
  #sync: LazyTimer | null = null;

  /** @param timers where they wait @param fire what to do when one is due */
  constructor(timers: Deadlines<Timer>, fire: () => void) {
    this.#timers = timers;
    this.#fire = fire;
    this.session = new LazyTimer(timers, fire);
  }

  /** Consumer protocol: to give up partitions. */
  get rebalance(): LazyTimer {
    return this.#rebalance ??= new LazyTimer(this.#timers, this.#fire);
  }

  /** Whether it has partitions to give up. */
  get isRebalancing(): boolean {
    return this.#rebalance?.isSet === true;
  }

  /** Classic protocol: to join again. */
  get join(): LazyTimer {
    return this.#join ??= new LazyTimer(this.#timers, this.#fire);
  }

  /** Classic protocol: to send SyncGroup after joining. */
  get sync(): LazyTimer {
    return this.#sync ??= new LazyTimer(this.#timers, this.#fire);
  }

  /** Takes back what is not of the protocol that the member uses now. */
  keepThoseOf(protocol: "classic" | "consumer"): void {
    if (protocol === "classic") this.#rebalance?.cancel();
    else for (const timer of [this.#join, this.#sync]) timer?.cancel();
  }

  /** Takes all back. */
  stop(): void {
    for (const timer of [this.session, this.#rebalance, this.#join, this.#sync]) timer?.cancel();
  }
}
