/**
 * Tells the operator that etcd does not answer, and that it answers again. A broker goes on without it: what it leads is served, so nobody
 * else would notice before a change of metadata is refused, or a broker dies and nobody takes its place. Main isolate.
 */
import type { Clock } from "../../../storage/base/clock.ts";

/** A member that dies is silent for the time of an election, which needs no words. */
const SILENCE_MS = 3000;

/** The silence of one etcd. */
export class EtcdSilence {
  readonly #clock: Clock;
  readonly #report: (sentence: string) => void;
  #hasAnswered = false;
  /** When the first request failed since the last answer. */
  #sinceMs: number | null = null;
  #isTold = false;

  /** @param report gets a sentence */
  constructor(clock: Clock, report: (sentence: string) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** A member has answered. */
  answered(): void {
    this.#hasAnswered = true;
    this.#sinceMs = null;
    if (!this.#isTold) return;
    this.#isTold = false;
    this.#report("etcd answers again");
  }

  /** A member has not answered. @param why in the words of a `GatewayFailure` */
  failed(why: string): void {
    if (!this.#hasAnswered || this.#isTold) return; // a start that cannot use etcd says so itself
    const nowMs = this.#clock.monotonicMs();
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < SILENCE_MS) return;
    this.#isTold = true;
    this.#report(
      `etcd does not answer: ${why}. Partitions are served, but topics, configs and leaders cannot change until it does`,
    );
  }
}
