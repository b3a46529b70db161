/**
 * The life of this broker's process in the cluster, carried out: it asks the elected controller for its registration, and then tells it
 * regularly that it is alive. `BrokerLife` decides. The main isolate.
 *
 * A heartbeat says that the shards turn, too: while one of them hangs, none is sent, so the controller gives what the broker leads to others.
 * Heartbeats leave at intervals, and at once when the image has brought what the next one depends on.
 */
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import { type BrokerChannel, ChannelRefused } from "../broker_channel.ts";
import { BrokerLife, type LifeRequest, type ProcessIdentity } from "../broker_life.ts";
import type { ElectedController } from "./elected_controller.ts";
import { type Endpoint, endpointOf } from "./endpoints.ts";
import type { LiveImage } from "../live_image.ts";
import type { BrokerDescription, MembershipCalls } from "../membership_calls.ts";
import { MembershipError } from "./membership_error.ts";
import type { MembershipTime } from "./membership_time.ts";

/** What a member works with. */
export interface BrokerMemberParts {
  readonly identity: ProcessIdentity;
  readonly description: BrokerDescription;
  readonly clusterId: string;
  readonly image: LiveImage;
  readonly elected: ElectedController;
  readonly time: MembershipTime;
  /** Listener at which brokers reach each other. */
  readonly interBrokerListener: string;
  /** `broker.heartbeat.interval.ms` */
  readonly heartbeatMs: number;
  /** `initial.broker.registration.timeout.ms` */
  readonly registrationTimeoutMs: number;
  /** Makes a channel to another broker. @param lost called when a connection has ended that the channel did not end itself */
  channelTo(endpoint: Endpoint, lost: () => void): BrokerChannel;
  /** Whether every shard turns its loop. */
  shardsTurn(): boolean;
  /** The process has to end: another one has its place. */
  failed(error: MembershipError): void;
}

interface Route {
  /** Process that the controller's key names. */
  readonly incarnation: string;
  readonly calls: MembershipCalls;
  readonly channel: BrokerChannel | null;
  isBusy: boolean;
}

/** Pauses between requests to be registered. */
const REGISTRATION_MS_MAX = 500;
/** So many logins are refused before a start is: another secret does not become the right one. */
const SECRETS_MAX = 3;
/** So many answers in a row that the controller's address has no controller mean that its process is gone. */
const STRANGERS_MAX = 3;
const { NONE, NOT_CONTROLLER, DUPLICATE_BROKER_REGISTRATION, INCONSISTENT_CLUSTER_ID, INVALID_REGISTRATION } =
  errorCode;

/** This process as a member. */
export class BrokerMember {
  readonly life: BrokerLife;
  readonly #parts: BrokerMemberParts;
  readonly #following: Disposable;
  readonly #registered = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  #route: Route | null = null;
  #nextRegistrationMs = 0;
  #registrationPauseMs: number;
  #strangers = 0;
  /** When a connection to the controller was lost last. */
  #lostMs = -Infinity;
  #secrets = 0;
  /** What the last attempt to be registered met. */
  #obstacle = "no broker is the controller";

  /** What the last attempt to be registered met. */
  get obstacle(): string {
    return this.#obstacle;
  }

  /** The process recovers its logs until `join()`. */
  constructor(parts: BrokerMemberParts) {
    this.#parts = parts;
    this.#registrationPauseMs = parts.heartbeatMs;
    this.life = new BrokerLife(parts.identity);
    this.life.imageChanged(parts.image);
    this.#following = parts.image.follow(() => this.#imageChanged());
    this.#registered.promise.catch(() => {}); // join() returns it
  }

  /**
   * The logs are open, and the listeners accept: asks to be registered. Settles when the image has the registration.
   * @throws MembershipError when the cluster does not register it, with the remedy
   */
  join(): Promise<void> {
    const { time, registrationTimeoutMs } = this.#parts;
    this.life.recovered();
    this.life.imageChanged(this.#parts.image);
    time.after(
      registrationTimeoutMs,
      () => this.#refuse(`was not registered within ${registrationTimeoutMs} ms: ${this.#obstacle}`),
    );
    this.#beatLater();
    this.#beat();
    return this.#registered.promise;
  }

  /** Stops in order: what it leads moves first. Settles when nobody needs it any more, or the time is over. @param withinMs how long at most */
  stop(withinMs: number): Promise<void> {
    const { time } = this.#parts;
    this.life.stop(time.clock.monotonicMs() + withinMs);
    time.after(withinMs, () => this.#settle());
    this.#settle();
    this.#beat();
    return this.#stopped.promise;
  }

  /** Sends nothing any more. */
  close(): void {
    this.#following[Symbol.dispose]();
    this.#route?.channel?.close();
    this.#route = null;
  }

  #imageChanged(): void {
    const { state, brokerEpoch } = this.life;
    this.life.imageChanged(this.#parts.image);
    if (state !== this.life.state || brokerEpoch !== this.life.brokerEpoch) this.#settle();
    const waits = this.life.brokerEpoch >= 0 && this.life.state !== "active";
    if (waits || this.#route?.incarnation !== this.#parts.image.controller?.incarnation) this.#beat();
  }

  /** Tells those who wait how far the life has come. */
  #settle(): void {
    const { identity, image, failed } = this.#parts;
    this.life.answered(false, this.#parts.time.clock.monotonicMs());
    if (this.life.brokerEpoch >= 0) this.#registered.resolve();
    if (this.life.state === "stopped" || this.life.state === "superseded") this.#stopped.resolve();
    if (this.life.state === "stopped") this.#registered.reject(new MembershipError("The broker has stopped"));
    if (this.life.state !== "superseded") return;
    this.close();
    failed(
      new MembershipError(
        image.registrations.has(identity.broker)
          ? `Another process has registered with node.id ${identity.broker}: this one ends. Give each broker a node.id of its own`
          : `Broker ${identity.broker} was unregistered: its process ends. Start it again if it should stay`,
      ),
    );
  }

  #beatLater(): void {
    const { time, heartbeatMs } = this.#parts;
    time.after(heartbeatMs, () => {
      this.#settle();
      if (this.life.state === "stopped" || this.life.state === "superseded") return;
      this.#beat();
      this.#beatLater();
    });
  }

  /** Sends what the life asks for, unless the controller still has to answer the last request. */
  #beat(): void {
    const request = this.life.request();
    const route = this.#routeToController();
    if (request === null || route === null || route.isBusy) return;
    if (request.kind === "register" ? !this.#takeRegistrationTurn() : !this.#parts.shardsTurn()) return;
    route.isBusy = true;
    void this.#send(route, request);
  }

  #takeRegistrationTurn(): boolean {
    const nowMs = this.#parts.time.clock.monotonicMs();
    if (nowMs < this.#nextRegistrationMs) return false;
    this.#nextRegistrationMs = nowMs + this.#registrationPauseMs;
    this.#registrationPauseMs = Math.min(2 * this.#registrationPauseMs, REGISTRATION_MS_MAX);
    return true;
  }

  /** The way to the process that the image has as controller; null while there is none. */
  #routeToController(): Route | null {
    const { image, elected, identity, channelTo } = this.#parts;
    const { controller } = image;
    if (controller?.incarnation === this.#route?.incarnation) return this.#route;
    this.#route?.channel?.close();
    this.#strangers = 0;
    this.#nextRegistrationMs = 0;
    if (controller === null) return this.#route = null;
    const { incarnation, host, port } = controller;
    const isHere = incarnation === identity.incarnation;
    const channel = isHere ? null : channelTo({ host, port }, () => this.#connectionLost(incarnation));
    return this.#route = { incarnation, calls: channel ?? elected, channel, isBusy: false };
  }

  /** The controller's process may be gone: the next heartbeat tells, at once, but no more often than others. */
  #connectionLost(incarnation: string): void {
    const { time, heartbeatMs } = this.#parts;
    const nowMs = time.clock.monotonicMs();
    if (this.#route?.incarnation !== incarnation || nowMs - this.#lostMs < heartbeatMs) return;
    this.#lostMs = nowMs;
    this.#beat();
  }

  async #send(route: Route, request: LifeRequest): Promise<void> {
    const { elected, description, clusterId } = this.#parts;
    try {
      if (request.kind === "register") {
        const registration = { ...request.request, ...description, clusterId };
        this.#registrationAnswered((await route.calls.register(registration)).errorCode);
      } else {
        const { errorCode: code, shouldStop } = await route.calls.heartbeat(request.heartbeat);
        this.#answered(code);
        this.#obstacle = "the controller has not heard of it in time";
        this.life.answered(code === NONE && shouldStop, this.#parts.time.clock.monotonicMs());
        this.#settle();
      }
    } catch (error) {
      if (!(error instanceof ChannelRefused)) throw error;
      this.#obstacle = error.message;
      if (error.kind === "refused" && this.#route === route) elected.candidate.depose();
      if (error.kind === "secret" && ++this.#secrets === SECRETS_MAX) {
        this.#refuse(`was not registered: ${error.message}`);
      }
    } finally {
      route.isBusy = false;
    }
  }

  /** An answer has come from the address in the controller's key: maybe of another process, which has the address now. */
  #answered(code: number): void {
    this.#strangers = code === NOT_CONTROLLER ? this.#strangers + 1 : 0;
    if (this.#strangers >= STRANGERS_MAX) this.#parts.elected.candidate.depose();
  }

  #registrationAnswered(code: number): void {
    const { clusterId } = this.#parts;
    this.#answered(code);
    this.#obstacle = code === NONE
      ? "the controller has not done it yet"
      : `the controller answered with ${errorName(code)}`;
    if (code === DUPLICATE_BROKER_REGISTRATION) this.#refuseDuplicate();
    if (code === INCONSISTENT_CLUSTER_ID) this.#refuse(`belongs to cluster ${clusterId}, and the controller does not`);
    if (code === INVALID_REGISTRATION) this.#refuse("has a log directory that another broker is registered with");
  }

  #refuseDuplicate(): void {
    const { identity, image, interBrokerListener } = this.#parts;
    const other = image.registrations.get(identity.broker);
    const { host, port } = endpointOf(other?.row ?? { listeners: [] }, interBrokerListener);
    this.#refuse(
      `has a node.id that another running process has, at ${host}:${port}; stop that one, or choose another (--node-id)`,
    );
  }

  /** Ends the wait for a registration. */
  #refuse(why: string): void {
    if (this.life.brokerEpoch >= 0) return;
    this.#registered.reject(new MembershipError(`Broker ${this.#parts.identity.broker} ${why}`));
    this.life.stop(0);
    this.#settle();
  }
}
