/**
 * Helpers for tests of groups of either protocol and of coordinators: settings, a waiting client, passing time. Tests only.
 */
import assert from "node:assert/strict";
import type { ManualClock } from "../../../storage/base/clock.ts";
import type { Deadlines } from "../../requests/deadlines.ts";
import type { Reply } from "../runtime/coordinator.ts";
import type { Timer } from "../runtime/lazy_timer.ts";
import type { ConsumerGroupSettings, GroupSettings } from "./group_ports.ts";

/** Kafka's defaults, except that a first rebalance is not delayed. */
export const testSettings: GroupSettings = {
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  initialRebalanceDelayMs: 0,
  maxSize: 2 ** 31 - 1,
  consumerMaxSize: 2 ** 31 - 1,
  consumerAssignors: ["uniform", "range"],
  consumerMigrationPolicy: "bidirectional",
  consumerRegexRefreshIntervalMs: 600_000,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 7 * 86_400_000,
  offsetsRetentionCheckIntervalMs: 600_000,
};

/** Kafka's defaults of a consumer group. */
export const testGroupSettings: ConsumerGroupSettings = {
  sessionTimeoutMs: 45_000,
  heartbeatIntervalMs: 5000,
  assignmentIntervalMs: 1000,
};

/** A request that was sent, and its answer. A second answer fails the test. */
export class Call<Response> {
  readonly #answers: Response[] = [];

  /** The reply callback for the group or the coordinator. */
  readonly reply: Reply<Response> = (response) => {
    assert.equal(this.#answers.length, 0, "each request is answered once");
    // A response is valid only during the reply.
    this.#answers.push(structuredClone(response));
  };

  /** Whether there is no answer yet. */
  get isWaiting(): boolean {
    return this.#answers.length === 0;
  }

  /** The answer. @throws when there is none */
  get answer(): Response {
    const [answer] = this.#answers;
    assert(answer !== undefined, "the request is answered");
    return answer;
  }
}

/** Advances the time. Timers that become due meanwhile fire at their time, in order. */
export function passTime(ms: number, { clock, timers }: { clock: ManualClock; timers: Deadlines<Timer> }): void {
  const untilMs = clock.monotonicMs() + ms;
  while (timers.nextMs <= untilMs) {
    clock.advance(Math.max(timers.nextMs - clock.monotonicMs(), 0));
    timers.takeExpired(clock.monotonicMs())?.onDue(clock.monotonicMs());
  }
  clock.advance(untilMs - clock.monotonicMs());
}
