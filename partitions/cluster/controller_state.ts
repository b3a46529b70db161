/**
 * The elected controller: it judges which brokers are alive, registers, fences and unfences them, and repairs rows (repairs.ts). Pure: the
 * caller passes images, heartbeats and the time, executes the transactions, and says when each has ended. The main isolate.
 *
 *   no registration --register()--> session of the last process over, state fenced, rows free of it --> registered, fenced
 *   fenced  --heartbeats, its image has its registration, rows free of it--> active
 *   active  --session over, connection refused, or a new process--> fenced
 *   active  --it wants to stop--> stopping --> leads nothing, in no ISR, and all active brokers know it: may stop
 *
 * One that neither hears nor reaches most brokers may be cut off itself (`isCutOff()`): somebody else should be the controller before they
 * are fenced.
 *
 * It only advises: safety rests on the comparisons of each transaction, so a second controller is harmless. It keeps nothing but the times
 * of heartbeats and the registrations asked for; brokers repeat both. Each process start ends the leaderships of the last process,
 * because a restarted leader that lost its tail must not write other records at the same offsets in the same epoch.
 * Source: ClusterControlManager, BrokerHeartbeatManager; KIP-631, KIP-866, KIP-966.
 */
import { ABSENT, type BrokerState, type ClusterImage, type Comparison, type Transaction } from "./cluster_image.ts";
import {
  isHeldBy,
  preferredElections,
  type ProcessStart,
  type ProcessStarts,
  repairs,
  repairTransaction,
  type StartKind,
} from "./repairs.ts";

/** A process that asks to be registered (BrokerRegistration, 62). */
export interface RegistrationRequest {
  readonly broker: number;
  readonly incarnation: string;
  readonly directoryId: string;
  /** `directory.id` of each log directory that is online. */
  readonly directories: readonly string[];
  /** Broker epoch of the process that stopped cleanly on these directories, -1 for none. */
  readonly cleanEpoch: number;
  /**
   * Broker epoch of the broker's last registration that the process knows, 0 for none. So the late request of a process that has died
   * does not take the place of its successor.
   */
  readonly knownEpoch: number;
}

/** A heartbeat (BrokerHeartbeat, 63). */
export interface Heartbeat {
  readonly broker: number;
  readonly brokerEpoch: number;
  /** Revision of the sender's image. */
  readonly revision: number;
  readonly wantsStop: boolean;
}

interface Session {
  heardMs: number;
  heartbeat: Heartbeat | null;
  isRefused: boolean;
  /** When its address took a connection last. */
  acceptedMs: number;
  /** When this process was heard again after it had counted as dead. */
  returnsMs: readonly number[];
  /** How often its session was doubled since. */
  doublings: number;
}

interface Asked {
  readonly request: RegistrationRequest;
  readonly askedMs: number;
  /** Heartbeats of the registered process that arrived since this one asked first. */
  beats: number;
}

/** So many prove that the registered process is alive: a dead one has left one on the way at most, because each waits for the answer to the last. */
const ALIVE_BEATS = 2;

/** A process that comes back so often in this time, as on an overloaded machine, gets twice the session, up to Kafka's. */
const RETURNS_MAX = 3;
const RETURNS_MS = 300_000;
const SESSION_MS_MAX = 9000;

/** A process that has not asked again for so long has given up: it must not take the place of one that is about to stop. */
const ASKED_MS_MAX = 3000;

/** Elections of preferred leaders at a time (Kafka: MAX_ELECTIONS_PER_IMBALANCE). */
export const PREFERRED_ELECTIONS_MAX = 1000;

const NO_SESSION: Session = {
  heardMs: -Infinity,
  heartbeat: null,
  isRefused: false,
  acceptedMs: -Infinity,
  returnsMs: [],
  doublings: 0,
};

/** One term of a controller. */
export class ControllerState {
  readonly epoch: number;
  readonly #sessionMs: number;
  readonly #startedMs: number;
  readonly #sessions = new Map<number, Session>();
  readonly #registrations = new Map<number, Asked>();
  /** Since which revision nobody needs a process that stops. */
  readonly #freeAt = new Map<number, { readonly brokerEpoch: number; readonly revision: number }>();
  /** Starts that the last decision took into account. */
  #lastStarts = "[]";

  /** @param epoch version of the controller's key @param sessionMs silence after which a broker is fenced @param nowMs */
  constructor(epoch: number, sessionMs: number, nowMs: number) {
    this.epoch = epoch;
    this.#sessionMs = sessionMs;
    this.#startedMs = nowMs;
  }

  /**
   * A process asks to be registered; it repeats that until its image has the registration.
   * @returns whether the process that is registered lives, so that this one asks in vain (DUPLICATE_BROKER_REGISTRATION)
   */
  register(request: RegistrationRequest, nowMs: number): boolean {
    const last = this.#registrations.get(request.broker);
    const beats = last?.request.incarnation === request.incarnation ? last.beats : 0;
    this.#registrations.set(request.broker, { request, askedMs: nowMs, beats });
    return beats >= ALIVE_BEATS;
  }

  /** A heartbeat arrived. Those of former processes are ignored. @returns whether the sender may stop */
  heard(heartbeat: Heartbeat, image: ClusterImage, nowMs: number): boolean {
    const entry = image.brokers.get(heartbeat.broker);
    if (entry === undefined || entry.brokerEpoch !== heartbeat.brokerEpoch) return false;
    this.#sessions.set(heartbeat.broker, this.#nextSession(heartbeat, nowMs));
    const asked = this.#registrations.get(heartbeat.broker);
    if (asked !== undefined && entry.state === "active") asked.beats++;
    const isFree = entry.state !== "active" && heartbeat.wantsStop && !isNeeded(image, heartbeat.broker);
    return isFree && this.#isKnownFree(heartbeat, image);
  }

  /** Whether all active brokers know that others lead what the sender has led: they send clients there. */
  #isKnownFree({ broker, brokerEpoch }: Heartbeat, image: ClusterImage): boolean {
    const noted = this.#freeAt.get(broker);
    const revision = noted?.brokerEpoch === brokerEpoch ? noted.revision : image.revision;
    this.#freeAt.set(broker, { brokerEpoch, revision });
    for (const [other, { state }] of image.brokers) {
      if (state === "active" && (this.#sessions.get(other)?.heartbeat?.revision ?? -1) < revision) return false;
    }
    return true;
  }

  /** The broker's process does not listen any more: it is fenced at once. */
  refused(broker: number): void {
    this.#sessionOf(broker).isRefused = true;
  }

  /** The broker's process listens, though it may hang: the network is not what keeps its heartbeats away. */
  accepted(broker: number, nowMs: number): void {
    this.#sessionOf(broker).acceptedMs = nowMs;
  }

  /** For how long nothing was heard of a broker, in milliseconds; from the start of the term on. */
  silentMs(broker: number, nowMs: number): number {
    return nowMs - Math.max(this.#sessions.get(broker)?.heardMs ?? -Infinity, this.#startedMs);
  }

  /**
   * Whether it would fence a broker, and has neither heard nor reached most of those that count as alive for half a session: then it may be
   * this one that is cut off from the others, which would lose their leaders for that. Half of one, as heartbeats of several are not due at
   * the same time. Processes that have ended, of which a refused connection tells, or the next one that asks to be registered, do not count.
   */
  isCutOff(image: ClusterImage, nowMs: number): boolean {
    if (!this.hasExpired(image, nowMs)) return false;
    const hasEnded = (broker: number) => this.#isRefused(broker) || this.#registrations.has(broker);
    const alive = [...image.brokers].filter(([broker, { state }]) => state !== "fenced" && !hasEnded(broker));
    return alive.filter(([broker]) => this.#isAway(broker, nowMs)).length * 2 > alive.length;
  }

  /** Whether most of the brokers that count as alive have sent heartbeats in this term, and still do. */
  hearsMost(image: ClusterImage, nowMs: number): boolean {
    const alive = [...image.brokers].filter(([, { state }]) => state !== "fenced");
    const isHeard = (broker: number) => this.#sessions.get(broker)?.heartbeat && !this.#isAway(broker, nowMs);
    return alive.filter(([broker]) => isHeard(broker)).length * 2 > alive.length;
  }

  /** Whether a broker counts as alive whose session is over. */
  hasExpired(image: ClusterImage, nowMs: number): boolean {
    for (const [broker, { state }] of image.brokers) {
      if (state !== "fenced" && this.#isSilent(broker, nowMs)) return true;
    }
    return false;
  }

  /**
   * The transactions that the image needs; the same ones again until it has changed.
   * @param among partitions to look at, where only they have changed since the last decision, and no broker or setting; all by default
   */
  decide(image: ClusterImage, nowMs: number, among?: Iterable<string>): Transaction[] {
    if (image.controllerEpoch !== this.epoch) return [];
    const starts = this.#starts(image, nowMs);
    const startsNow = JSON.stringify([...starts]);
    const found = repairs(image, starts, startsNow === this.#lastStarts ? among : undefined);
    this.#lastStarts = startsNow;
    const decided = found.map((repair) => repairTransaction(repair, image));
    for (const broker of new Set([...image.brokers.keys(), ...starts.keys()])) {
      const transaction = this.#decideBroker(broker, image, starts, nowMs);
      if (transaction !== null) decided.push(transaction);
    }
    return decided;
  }

  /** The transactions that give partitions back to their preferred leaders, PREFERRED_ELECTIONS_MAX at most. */
  balance(image: ClusterImage, nowMs: number): Transaction[] {
    if (image.controllerEpoch !== this.epoch) return [];
    const found = preferredElections(image, this.#starts(image, nowMs), PREFERRED_ELECTIONS_MAX);
    return found.map((repair) => repairTransaction(repair, image));
  }

  #decideBroker(broker: number, image: ClusterImage, starts: ProcessStarts, nowMs: number): Transaction | null {
    const entry = image.brokers.get(broker);
    if (starts.has(broker)) {
      for (const [partition, { row }] of image.partitions) {
        if (isHeldBy(row, broker, { partition, image, starts })) return null;
      }
      return this.#registration((this.#registrations.get(broker) as Asked).request, image);
    }
    if (entry === undefined) return null;
    const isSilent = this.#isSilent(broker, nowMs);
    // A process that waits for its registration shows that the last one has ended, or is stopping.
    const hasEnded = isSilent || (entry.state === "stopping" && this.#registrations.has(broker));
    if (entry.state !== "fenced" && hasEnded) return this.#change(broker, "fenced", image);
    const heartbeat = this.#sessions.get(broker)?.heartbeat ?? null;
    if (isSilent || heartbeat === null || heartbeat.brokerEpoch !== entry.brokerEpoch) return null;
    if (entry.state === "active" && heartbeat.wantsStop) return this.#change(broker, "stopping", image);
    const isReady = !heartbeat.wantsStop && heartbeat.revision >= entry.brokerEpoch && !isNeeded(image, broker);
    return entry.state === "fenced" && isReady ? this.#change(broker, "active", image) : null;
  }

  #isSilent(broker: number, nowMs: number): boolean {
    return this.#isRefused(broker) || this.silentMs(broker, nowMs) > this.#sessionMsOf(broker);
  }

  /** Whether it was neither heard nor reached for half a session. */
  #isAway(broker: number, nowMs: number): boolean {
    const { acceptedMs } = this.#sessions.get(broker) ?? NO_SESSION;
    return Math.min(this.silentMs(broker, nowMs), nowMs - acceptedMs) > this.#sessionMsOf(broker) / 2;
  }

  #isRefused(broker: number): boolean {
    return this.#sessions.get(broker)?.isRefused === true;
  }

  #sessionMsOf(broker: number): number {
    const { doublings } = this.#sessions.get(broker) ?? NO_SESSION;
    return Math.min(this.#sessionMs * 2 ** doublings, Math.max(this.#sessionMs, SESSION_MS_MAX));
  }

  #sessionOf(broker: number): Session {
    const session = this.#sessions.get(broker) ?? { ...NO_SESSION };
    this.#sessions.set(broker, session);
    return session;
  }

  #nextSession(heartbeat: Heartbeat, nowMs: number): Session {
    const last = this.#sessions.get(heartbeat.broker);
    const heard = { heardMs: nowMs, heartbeat, isRefused: false };
    if (last === undefined || last.heartbeat?.brokerEpoch !== heartbeat.brokerEpoch) return { ...NO_SESSION, ...heard };
    if (!this.#isSilent(heartbeat.broker, nowMs)) return { ...last, ...heard };
    const returnsMs = [...last.returnsMs.filter((atMs) => nowMs - atMs < RETURNS_MS), nowMs];
    if (returnsMs.length < RETURNS_MAX) return { ...last, ...heard, returnsMs };
    return { ...NO_SESSION, ...heard, doublings: last.doublings + 1 };
  }

  /**
   * Processes whose turn it is to be registered: the last one is fenced. As long as it is active, another process of the broker lives, or may,
   * and its leaders could take it into an ISR again.
   */
  #starts(image: ClusterImage, nowMs: number): Map<number, ProcessStart> {
    const starts = new Map<number, ProcessStart>();
    for (const [broker, { request, askedMs }] of this.#registrations) {
      const entry = image.brokers.get(broker);
      const epoch = entry?.brokerEpoch ?? ABSENT;
      const isOver = entry?.incarnation === request.incarnation || epoch > request.knownEpoch;
      if (isOver || nowMs - askedMs > ASKED_MS_MAX) this.#registrations.delete(broker);
      else if (epoch === request.knownEpoch && (entry?.state ?? "fenced") === "fenced") {
        starts.set(broker, { kind: startKindOf(request, entry), directories: request.directories });
      }
    }
    return starts;
  }

  #change(broker: number, state: BrokerState, image: ClusterImage): Transaction {
    const comparisons = this.#comparisonsOf(broker, image);
    return { subject: `broker ${broker}`, comparisons, writes: [{ kind: "state", broker, state }] };
  }

  #registration({ broker, incarnation, directoryId }: RegistrationRequest, image: ClusterImage): Transaction {
    return {
      subject: `broker ${broker}`,
      comparisons: this.#comparisonsOf(broker, image),
      writes: [
        { kind: "registration", broker, incarnation, directoryId },
        { kind: "state", broker, state: "fenced" },
      ],
    };
  }

  #comparisonsOf(broker: number, image: ClusterImage): Comparison[] {
    const entry = image.brokers.get(broker);
    return [
      { kind: "controller", version: this.epoch },
      { kind: "state", broker, version: entry?.stateVersion ?? ABSENT },
      { kind: "registration", broker, version: entry?.brokerEpoch ?? ABSENT },
    ];
  }
}

/** How a process finds its logs, judged by what the last one registered. */
export function startKindOf(
  request: RegistrationRequest,
  last: { readonly brokerEpoch: number; readonly directoryId: string } | undefined,
): StartKind {
  if (last === undefined || last.directoryId !== request.directoryId) return "log-lost";
  return last.brokerEpoch === request.cleanEpoch ? "clean" : "tail-lost";
}

/**
 * The transaction by which a process becomes the controller; null while there is one. It need not be registered: when all brokers start at
 * once, one of them has to register the others, and itself.
 * @param deposed controller epoch of a process that does not answer any more: it may be replaced
 */
export function candidacy(
  image: ClusterImage,
  broker: number,
  incarnation: string,
  deposed = ABSENT,
): Transaction | null {
  if (image.controllerEpoch !== deposed) return null;
  const comparisons: Comparison[] = [{ kind: "controller", version: deposed }];
  return { subject: "controller", comparisons, writes: [{ kind: "controller", broker, incarnation }] };
}

/** Whether a row names a broker as leader or member of the ISR. */
function isNeeded(image: ClusterImage, broker: number): boolean {
  for (const { row } of image.partitions.values()) {
    if (row.leader === broker || row.isr.includes(broker)) return true;
  }
  return false;
}
