/**
 * The life of this broker's process in the cluster, from its start to its stop. Pure: the caller sends what `request()` returns and passes
 * in what it learns. The main isolate.
 *
 *   recovering --recovered()--> registering --image has the registration--> fenced <--> active (the controller's word)
 *   fenced, active --stop()--> stopping --may stop, or time is over--> stopped
 *   fenced, active, stopping --image has another process's registration, or none any more--> superseded: this process has to end
 *
 * No replica starts before the image has this process's registration: rows read earlier may still name the last process as leader.
 * Source: BrokerLifecycleManager; KIP-631.
 */
import { ABSENT, type ClusterImage } from "./cluster_image.ts";
import type { Heartbeat, RegistrationRequest } from "./controller_state.ts";

/** Where a process stands. */
export type LifeState = "recovering" | "registering" | "fenced" | "active" | "stopping" | "stopped" | "superseded";

/** What the process asks of the controller. */
export type LifeRequest =
  | { readonly kind: "register"; readonly request: RegistrationRequest }
  | { readonly kind: "heartbeat"; readonly heartbeat: Heartbeat };

/** A process, and how the last one left its directories. */
export type ProcessIdentity = Omit<RegistrationRequest, "knownEpoch">;

/** One process. */
export class BrokerLife {
  readonly #identity: ProcessIdentity;
  #knownEpoch = ABSENT;
  #state: LifeState = "recovering";
  #brokerEpoch = -1;
  #revision = 0;
  #stopBeforeMs = Infinity;

  /** @param identity the process, its directories, and how the last process left them */
  constructor(identity: ProcessIdentity) {
    this.#identity = identity;
  }

  /** Where the process stands. */
  get state(): LifeState {
    return this.#state;
  }

  /** Epoch of this process's registration, -1 before the image has it. */
  get brokerEpoch(): number {
    return this.#brokerEpoch;
  }

  /** The logs are recovered: the process may be registered. */
  recovered(): void {
    if (this.#state === "recovering") this.#state = "registering";
  }

  /** The image has moved on. */
  imageChanged(image: ClusterImage): void {
    this.#revision = image.revision;
    const entry = image.brokers.get(this.#identity.broker);
    if (this.#state === "superseded") return;
    this.#knownEpoch = entry?.brokerEpoch ?? ABSENT;
    if (entry === undefined) {
      if (this.#brokerEpoch >= 0) this.#state = "superseded";
      return;
    }
    if (entry.incarnation !== this.#identity.incarnation) {
      if (this.#brokerEpoch >= 0) this.#state = "superseded";
      return;
    }
    this.#brokerEpoch = entry.brokerEpoch;
    const isRunning = this.#state !== "stopping" && this.#state !== "stopped";
    if (isRunning) this.#state = entry.state === "active" ? "active" : "fenced";
  }

  /** The process shall stop: its leaderships move first. @param beforeMs when it stops at the latest */
  stop(beforeMs: number): void {
    if (this.#state === "stopped" || this.#state === "superseded") return;
    this.#state = this.#brokerEpoch < 0 ? "stopped" : "stopping";
    this.#stopBeforeMs = beforeMs;
  }

  /** The controller has answered a heartbeat, or time has passed. @param mayStop whether nobody needs this broker any more */
  answered(mayStop: boolean, nowMs: number): void {
    if (this.#state === "stopping" && (mayStop || nowMs >= this.#stopBeforeMs)) this.#state = "stopped";
  }

  /** What is to be sent to the controller at each interval; null for nothing. */
  request(): LifeRequest | null {
    if (this.#state === "recovering" || this.#state === "stopped" || this.#state === "superseded") return null;
    if (this.#brokerEpoch < 0) {
      return { kind: "register", request: { ...this.#identity, knownEpoch: this.#knownEpoch } };
    }
    const wantsStop = this.#state === "stopping";
    const { broker } = this.#identity;
    const heartbeat = { broker, brokerEpoch: this.#brokerEpoch, revision: this.#revision, wantsStop };
    return { kind: "heartbeat", heartbeat };
  }
}
