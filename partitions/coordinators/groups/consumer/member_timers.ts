/**
 * Timers of one member of a consumer group. If any of them runs out, the member is removed from the group. All but the session timer are
 * made when they are first needed, because most members never need them. Runs on shards.
 */
import type { Deadlines } from "../../../requests/deadlines.ts";
import { LazyTimer } from "../../runtime/lazy_timer.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";

/** The timers of one member. */
export class MemberTimers {
  /** Time until the member has to send its next request. */
  readonly session: LazyTimer;
  readonly #timers: Deadlines<Timer>;
  readonly #fire: () => void;
  #rebalance: LazyTimer | null = null;
  #join: LazyTimer | null = null;
  #sync: LazyTimer | null = null;

  /** @param timers the shard's heap of timers @param fire called when one is due */
  constructor(timers: Deadlines<Timer>, fire: () => void) {
    this.#timers = timers;
    this.#fire = fire;
    this.session = new LazyTimer(timers, fire);
  }

  /** Consumer protocol: time to give up partitions. */
  get rebalance(): LazyTimer {
    return this.#rebalance ??= new LazyTimer(this.#timers, this.#fire);
  }

  /** Whether the member has partitions to give up. */
  get isRebalancing(): boolean {
    return this.#rebalance?.isSet === true;
  }

  /** Classic protocol: time to join again. */
  get join(): LazyTimer {
    return this.#join ??= new LazyTimer(this.#timers, this.#fire);
  }

  /** Classic protocol: time to send SyncGroup after joining. */
  get sync(): LazyTimer {
    return this.#sync ??= new LazyTimer(this.#timers, this.#fire);
  }

  /** Cancels the timers of the other protocol. @param protocol the one that the member uses now */
  cancelOthersThan(protocol: "classic" | "consumer"): void {
    if (protocol === "classic") this.#rebalance?.cancel();
    else for (const timer of [this.#join, this.#sync]) timer?.cancel();
  }

  /** Cancels all timers. */
  stop(): void {
    for (const timer of [this.session, this.#rebalance, this.#join, this.#sync]) timer?.cancel();
  }
}
