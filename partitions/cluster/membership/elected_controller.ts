/**
 * The controller's runtime in each broker: candidate, and while it is elected, the judge of who lives. `ControllerState` decides; this
 * passes it images, heartbeats and time, and has its transactions carried out. The main isolate.
 *
 * What costs is done only when it may matter: rows are looked at when they, a broker or a setting has changed, or another start waits; a heartbeat
 * of an active broker only notes the time. The controller also knocks at the door of a broker that has missed some heartbeats, or whose
 * connection has ended, and of all at the begin of its term: where nobody listens, the process is gone, and its session need not run out.
 *
 * A controller that neither hears nor reaches half of the brokers may be cut off itself. It lets another one have the office, once: if nobody
 * takes it, it fences them.
 */
import { assert } from "../../../storage/base/assert.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { MetadataRefusedError, type MetadataStore, MetadataStoreError } from "../../metadata/store/store.ts";
import type { RegistrationRow } from "../cluster_rows.ts";
import { rewritten, TICK, tickOf } from "../cluster_rows.ts";
import { ControllerCandidate } from "./controller_candidate.ts";
import { ControllerState, type Heartbeat, PREFERRED_ELECTIONS_MAX } from "../controller_state.ts";
import { definiteOutcome } from "./definite_outcome.ts";
import { type Endpoint, endpointOf, type Found, type Knock } from "./endpoints.ts";
import type { ImageChange, LiveImage } from "../live_image.ts";
import type { BrokerRegistration, ElectedCalls, HeartbeatAnswer, RegistrationAnswer } from "../membership_calls.ts";
import { type MembershipTime, pauseFor } from "./membership_time.ts";
import { storeComparison } from "./store_transactions.ts";
import { SubjectTransactions } from "./subject_transactions.ts";

/** What an elected controller works with. */
export interface ElectedControllerParts {
  readonly store: Pick<MetadataStore, "transact" | "resolve" | "limits" | "grantLease">;
  readonly image: LiveImage;
  readonly time: MembershipTime;
  readonly clusterId: string;
  readonly broker: number;
  readonly incarnation: string;
  /** Where other brokers reach this one. */
  readonly endpoint: Endpoint;
  /** Listener at which brokers reach each other. */
  readonly interBrokerListener: string;
  /** `broker.session.timeout.ms` */
  readonly sessionMs: number;
  /** `broker.heartbeat.interval.ms` */
  readonly heartbeatMs: number;
  /** `leader.imbalance.check.interval.seconds` in ms; null: partitions are not given back to their preferred leaders. */
  readonly rebalanceMs: number | null;
  /** Finds out whether somebody listens at an address. */
  readonly knock: Knock;
  /** Tells the operator why a broker is fenced. */
  readonly inform?: (sentence: string) => void;
  /** The store has failed for good. */
  failed(error: MetadataStoreError): void;
}

/**
 * So many intervals without a heartbeat make the controller look whether the process is there. It looks once in an interval, so that an
 * idle one does not wake up only for that.
 */
const KNOCK_INTERVALS = 2;
/**
 * A process that ends closes its connections one after the other, and its listener among them: so many knocks, with a pause between them,
 * come after the end of a connection, until one is refused.
 */
const KNOCKS_AFTER_END = 4;
const KNOCK_PAUSE_MS = 25;
/** A controller that has not looked for more than so many intervals stood still itself. */
const LATE_INTERVALS_MAX = 1.5;
const TICK_MS = 30_000;
/** The next pass for preferred leaders after one that found as many partitions as it may change. */
const NEXT_BALANCE_MS = 1000;
/** Processes whose descriptions are kept: those that ask repeat it, so the others are over. */
const REGISTRATIONS_MAX = 1024;
const { NONE, NOT_CONTROLLER, INCONSISTENT_CLUSTER_ID, INVALID_REGISTRATION } = errorCode;
const { DUPLICATE_BROKER_REGISTRATION, BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH } = errorCode;

/** The elected controller of a cluster, as far as it is this process. */
export class ElectedController implements ElectedCalls {
  readonly candidate: ControllerCandidate;
  readonly #parts: ElectedControllerParts;
  readonly #transactions: SubjectTransactions;
  readonly #following: Disposable;
  /** What processes say of themselves, by incarnation; the one that asked last at the end. */
  readonly #registrations = new Map<string, BrokerRegistration>();
  /** Brokers at whose door it knocks. */
  readonly #knocking = new Set<number>();
  /** Of which process of each broker the operator was told that it has ended, by broker epoch. */
  readonly #ended = new Map<number, number>();
  #state: ControllerState | null = null;
  /** Partitions to look at; null for all. */
  #among: Set<string> | null = null;
  #isDeciding = false;
  /** Epoch of its term in which it let others have the office, and has not heard most brokers since; null for none. */
  #offered: number | null = null;
  /** Time in which this process ran, and when it was counted last. */
  #ranMs = 0;
  #countedMs = 0;
  readonly #closing = new AbortController();

  /** It is no candidate before `candidate.begin()`. */
  constructor(parts: ElectedControllerParts) {
    this.#parts = parts;
    const { image } = parts;
    this.candidate = new ControllerCandidate(parts);
    this.#transactions = new SubjectTransactions({
      ...parts,
      registrationOf: (incarnation) => this.#registrationOf(incarnation),
      again: (subjects) => this.#decideSoon(subjects),
    });
    this.#following = image.follow((change) => this.#imageChanged(change));
  }

  /** Whether this process is the controller, and has begun its term. */
  get isController(): boolean {
    return this.#state !== null;
  }

  register(registration: BrokerRegistration): Promise<RegistrationAnswer> {
    const { image, clusterId } = this.#parts;
    const entry = image.brokers.get(registration.broker);
    const answer = (code: number, brokerEpoch = -1) => Promise.resolve({ errorCode: code, brokerEpoch });
    if (this.#state === null) return answer(NOT_CONTROLLER);
    if (registration.clusterId !== clusterId) return answer(INCONSISTENT_CLUSTER_ID);
    if (directoryOwner(image, registration) !== null) return answer(INVALID_REGISTRATION);
    if (entry?.incarnation === registration.incarnation) return answer(NONE, entry.brokerEpoch);
    this.#note(registration);
    const isTaken = this.#state.register(registration, this.#nowMs());
    this.#decideSoon([]);
    return answer(isTaken && entry?.state === "active" ? DUPLICATE_BROKER_REGISTRATION : NONE);
  }

  heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    const { image } = this.#parts;
    const entry = image.brokers.get(heartbeat.broker);
    const refuse = (code: number) => Promise.resolve({ errorCode: code, isFenced: true, shouldStop: false });
    if (this.#state === null) return refuse(NOT_CONTROLLER);
    if (entry === undefined) return refuse(BROKER_ID_NOT_REGISTERED);
    if (entry.brokerEpoch !== heartbeat.brokerEpoch) return refuse(STALE_BROKER_EPOCH);
    const nowMs = this.#nowMs();
    const shouldStop = this.#state.heard(heartbeat, image, nowMs);
    const insists = this.#offered !== null && this.#offered !== this.#state.epoch;
    if (insists && this.#state.hearsMost(image, nowMs)) this.#offered = null;
    const isFenced = entry.state !== "active";
    if (isFenced || heartbeat.wantsStop) this.#decideSoon([]);
    return Promise.resolve({ errorCode: NONE, isFenced, shouldStop });
  }

  disconnected(broker: number): void {
    const state = this.#state;
    const entry = this.#parts.image.brokers.get(broker);
    if (state === null || broker === this.#parts.broker || entry === undefined || entry.state === "fenced") return;
    void this.#knock(broker, { brokerEpoch: entry.brokerEpoch, state, times: KNOCKS_AFTER_END });
  }

  /** Ends the term and the candidacy. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#following[Symbol.dispose]();
    this.#state = null;
    this.#transactions.close();
    await this.candidate.close();
  }

  #imageChanged({ partitions, brokers, controller, settings }: ImageChange): void {
    if (controller) this.#beginOrEndTerm();
    this.candidate.imageChanged();
    if (this.#state !== null) this.#decideSoon(controller || brokers || settings.length > 0 ? null : partitions);
  }

  #beginOrEndTerm(): void {
    const { image, sessionMs } = this.#parts;
    this.#transactions.clear();
    this.#state = null;
    if (!this.candidate.isController) return;
    const state = this.#state = new ControllerState(image.controllerEpoch, sessionMs, this.#nowMs());
    this.#lookLater(state);
    this.#tickLater(state);
    const { rebalanceMs } = this.#parts;
    if (rebalanceMs !== null) this.#balanceLater(state, rebalanceMs);
    // Above all the last controller, which may have died.
    for (const broker of image.brokers.keys()) this.disconnected(broker);
  }

  /** Decides after what arrives together with this. @param partitions that changed; null for all */
  #decideSoon(partitions: readonly string[] | null): void {
    if (partitions === null) this.#among = null;
    else if (this.#isDeciding) { for (const partition of partitions) this.#among?.add(partition); }
    else this.#among = new Set(partitions);
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    this.#parts.time.after(0, () => this.#decide());
  }

  #decide(): void {
    const { image } = this.#parts;
    const among = this.#among ?? undefined;
    this.#isDeciding = false;
    if (this.#state === null || this.#closing.signal.aborted) return;
    if (this.#handsOver(this.#state)) return;
    const decided = this.#state.decide(image, this.#nowMs(), among);
    const isAboutBroker = ({ writes }: typeof decided[number]) => writes[0]?.kind !== "row";
    this.#transactions.propose(decided.filter((one) => !isAboutBroker(one)), decided.filter(isAboutBroker));
  }

  #balanceLater(state: ControllerState, rebalanceMs: number, afterMs = rebalanceMs): void {
    this.#parts.time.after(afterMs, () => {
      if (this.#state !== state) return;
      const elections = state.balance(this.#parts.image, this.#nowMs());
      this.#transactions.propose(elections);
      this.#balanceLater(
        state,
        rebalanceMs,
        elections.length < PREFERRED_ELECTIONS_MAX ? rebalanceMs : NEXT_BALANCE_MS,
      );
    });
  }

  /** Lets others have the office if this process may be cut off from them. @returns whether it is about to lose it */
  #handsOver(state: ControllerState): boolean {
    if (this.#offered === state.epoch) return true;
    if (this.#offered !== null || !state.isCutOff(this.#parts.image, this.#nowMs())) return false;
    this.#offered = state.epoch;
    // As long as it is patient with a broker.
    this.candidate.resign(this.#parts.sessionMs);
    return true;
  }

  #lookLater(state: ControllerState): void {
    this.#parts.time.after(this.#parts.heartbeatMs, () => {
      if (this.#state !== state) return;
      this.#look(state);
      this.#lookLater(state);
    });
  }

  /**
   * The time of sessions: that in which this process ran. After it stood still, its timers come before the heartbeats that have arrived
   * meanwhile, and nobody may count as silent for that.
   */
  #nowMs(): number {
    const { time, heartbeatMs } = this.#parts;
    const nowMs = time.clock.monotonicMs();
    this.#ranMs += Math.min(nowMs - this.#countedMs, LATE_INTERVALS_MAX * heartbeatMs);
    this.#countedMs = nowMs;
    return this.#ranMs;
  }

  /** Looks who has been silent for too long. */
  #look(state: ControllerState): void {
    const { image, broker: self, heartbeatMs } = this.#parts;
    const nowMs = this.#nowMs();
    if (state.hasExpired(image, nowMs)) this.#decideSoon([]);
    for (const [broker, entry] of image.brokers) {
      const isMissing = broker !== self && state.silentMs(broker, nowMs) > KNOCK_INTERVALS * heartbeatMs;
      if (!isMissing || entry.state === "fenced") continue;
      void this.#knock(broker, { brokerEpoch: entry.brokerEpoch, state, times: 1 });
    }
  }

  /** Finds out whether the broker's process is there. @param about the process, the term, and how often it knocks at most */
  async #knock(broker: number, about: { brokerEpoch: number; state: ControllerState; times: number }): Promise<void> {
    if (this.#knocking.has(broker)) return;
    this.#knocking.add(broker);
    const { state, times } = about;
    const beganMs = this.#nowMs();
    for (let count = 0; count < times; count++) {
      if (count > 0) await pauseFor(this.#parts.time, KNOCK_PAUSE_MS);
      // Another process has registered, the term is over, or it was heard meanwhile.
      if (!this.#isStill(broker, about) || state.silentMs(broker, this.#nowMs()) < this.#nowMs() - beganMs) break;
      const knockedMs = this.#nowMs();
      const found = await this.#knockOnce(broker);
      if (!this.#isStill(broker, about) || found === "unknown") break;
      // It lives, whoever refuses connections in front of it.
      if (state.silentMs(broker, this.#nowMs()) < this.#nowMs() - knockedMs) break;
      if (found === "refused") {
        state.refused(broker);
        this.#tellEnd(broker, about.brokerEpoch);
        this.#decideSoon([]);
        break;
      }
      state.accepted(broker, this.#nowMs());
    }
    this.#knocking.delete(broker);
  }

  /** Says it once of a process: while the store does not answer, the broker is not fenced, and the next knocks are refused, too. */
  #tellEnd(broker: number, brokerEpoch: number): void {
    if (this.#ended.get(broker) === brokerEpoch) return;
    this.#ended.set(broker, brokerEpoch);
    this.#parts.inform?.(`Broker ${broker} does not listen any more: its process has ended, and it is fenced`);
  }

  #knockOnce(broker: number): Promise<Found> {
    const { image, interBrokerListener, knock } = this.#parts;
    const registration = image.registrations.get(broker);
    if (registration === undefined) return Promise.resolve("unknown");
    return knock(endpointOf(registration.row, interBrokerListener), this.#closing.signal);
  }

  #isStill(broker: number, { brokerEpoch, state }: { brokerEpoch: number; state: ControllerState }): boolean {
    return this.#state === state && this.#parts.image.brokers.get(broker)?.brokerEpoch === brokerEpoch;
  }

  #tickLater(state: ControllerState): void {
    this.#parts.time.after(TICK_MS, () => {
      if (this.#state === state) void this.#tick(state);
    });
  }

  /** Writes a row, so that the watches of an idle cluster do not fall behind what etcd has compacted. */
  async #tick(state: ControllerState): Promise<void> {
    const { image, store, time } = this.#parts;
    const last = image.entry(TICK);
    try {
      await definiteOutcome({
        compare: [storeComparison({ kind: "controller", version: state.epoch })],
        set: [{ key: TICK, value: rewritten(last, { n: last === null ? 1 : tickOf(last) + 1 }) }],
      }, { store, time, isClosed: () => this.#closing.signal.aborted });
    } catch (error) {
      // One tick more or less does not matter; a store that has failed ends the broker.
      if (!(error instanceof MetadataRefusedError) && !this.#closing.signal.aborted) {
        return this.#parts.failed(error instanceof MetadataStoreError ? error : new MetadataStoreError(String(error)));
      }
    }
    if (this.#state === state) this.#tickLater(state);
  }

  #note(registration: BrokerRegistration): void {
    this.#registrations.delete(registration.incarnation);
    this.#registrations.set(registration.incarnation, registration);
    if (this.#registrations.size <= REGISTRATIONS_MAX) return;
    for (const incarnation of this.#registrations.keys()) return void this.#registrations.delete(incarnation);
  }

  #registrationOf(incarnation: string): RegistrationRow {
    const registration = this.#registrations.get(incarnation);
    assert(registration !== undefined, "a process that is registered has asked for it");
    const { directoryId, rack, listeners, directories, shards, version } = registration;
    return { incarnation, directoryId, rack, listeners, directories, shards, version };
  }
}

/** The other broker that is registered with a directory of this one; null for none. */
export function directoryOwner(
  image: LiveImage,
  { broker, directories }: Pick<BrokerRegistration, "broker" | "directories">,
): number | null {
  for (const [other, { row }] of image.registrations) {
    if (other !== broker && row.directories.some((id) => directories.includes(id))) return other;
  }
  return null;
}
