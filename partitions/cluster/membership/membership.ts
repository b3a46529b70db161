/**
 * A broker's membership in its cluster: image, elected controller, and the life of this process. The main isolate.
 *
 * ```
 *   open() ── checks what it brings ──► rows are read; it is no member yet, and serves no partition
 *   join() ── logs are open, listeners accept ──► registered ──► fenced ⇄ active
 *   stop() ── what it leads moves ──► close()
 * ```
 *
 * Always: no replica starts before `join()` has settled, because rows that were read earlier may name the last process as leader.
 */
import type { MetadataStore, MetadataStoreError } from "../../metadata/store/store.ts";
import type { StoreFollower } from "../../metadata/store/store_follower.ts";
import { randomUuid } from "../../../storage/base/uuid.ts";
import type { BrokerChannel } from "../broker_channel.ts";
import type { LifeState } from "../broker_life.ts";
import { BrokerMember } from "./broker_member.ts";
import type { Heartbeat } from "../controller_state.ts";
import { directoryOwner, ElectedController } from "./elected_controller.ts";
import { type Endpoint, endpointOf, type Knock, knockByConnecting } from "./endpoints.ts";
import { LedRows } from "./led_rows.ts";
import { ProposedRows } from "./proposed_rows.ts";
import { LiveImage, type TopicRules } from "../live_image.ts";
import { ReplicationCounters } from "../replication_counters.ts";
import type {
  BrokerDescription,
  BrokerRegistration,
  ElectedCalls,
  HeartbeatAnswer,
  RegistrationAnswer,
} from "../membership_calls.ts";
import { MembershipError } from "./membership_error.ts";
import { type MembershipTime, OwnTimers, systemTime } from "./membership_time.ts";

/** What a membership is built from. */
export interface MembershipOptions {
  readonly store: Pick<MetadataStore, "transact" | "resolve" | "limits" | "grantLease">;
  /** Of the same store. */
  readonly follower: StoreFollower;
  /** Id of the cluster, as its row says (cluster_identity.ts). */
  readonly clusterId: string;
  readonly nodeId: number;
  readonly description: BrokerDescription;
  /** Name of the listener at which brokers reach each other. */
  readonly interBrokerListener: string;
  /** Broker epoch in the proof of a clean stop that all log directories have; -1 without it. */
  readonly cleanEpoch: number;
  /** `broker.session.timeout.ms` */
  readonly sessionMs: number;
  /** `broker.heartbeat.interval.ms` */
  readonly heartbeatMs: number;
  /** `initial.broker.registration.timeout.ms` */
  readonly registrationTimeoutMs: number;
  /** `leader.imbalance.check.interval.seconds` in ms; null: partitions are not given back to their preferred leaders. */
  readonly rebalanceMs: number | null;
  readonly rules: TopicRules;
  /** Makes a channel to another broker. @param lost called when a connection has ended that the channel did not end itself */
  channelTo(endpoint: Endpoint, lost: () => void): BrokerChannel;
  /** Whether every shard turns its loop. */
  shardsTurn(): boolean;
  /** Called once, when this process has to end: the store has failed, or another process has its place. */
  failed(error: MetadataStoreError | MembershipError): void;
  /** Tells the operator why a broker is fenced. */
  readonly inform?: (sentence: string) => void;
  readonly knock?: Knock;
  readonly time?: MembershipTime;
}

/** One broker's membership. */
export class Membership implements ElectedCalls {
  readonly image: LiveImage;
  /** What metrics say of replication. */
  readonly counters: ReplicationCounters;
  /** Changes of rows that leaders on shards want. */
  readonly rowProposals: ProposedRows;
  /** Id of this process. */
  readonly incarnation = randomUuid();
  readonly #elected: ElectedController;
  readonly #member: BrokerMember;
  readonly #led: LedRows;
  readonly #timers: OwnTimers;
  #hasFailed = false;
  #closing: Promise<void> | null = null;

  private constructor(options: MembershipOptions) {
    const { follower, rules, nodeId, description, interBrokerListener, knock = knockByConnecting } = options;
    const time = this.#timers = new OwnTimers(options.time ?? systemTime);
    const failed = (error: MetadataStoreError | MembershipError) => this.#fail(error, options);
    const image = this.image = new LiveImage(follower, { broker: nodeId, rules, failed });
    const counters = this.counters = new ReplicationCounters(image, nodeId);
    const store = counters.counted(options.store);
    const { incarnation } = this;
    const endpoint = endpointOf(description, interBrokerListener);
    const parts = { ...options, store, image, time, broker: nodeId, incarnation, endpoint, knock, failed };
    this.#elected = new ElectedController(parts);
    const identity = {
      broker: nodeId,
      incarnation,
      directoryId: continuedDirectoryId(image, nodeId, description.directories),
      directories: description.directories,
      cleanEpoch: options.cleanEpoch,
    };
    this.#member = new BrokerMember({ ...parts, identity, elected: this.#elected });
    this.rowProposals = new ProposedRows(parts);
    this.#led = new LedRows({ ...parts, isMember: () => this.isRegistered });
  }

  /**
   * Reads the cluster, and checks that this broker may join it.
   * @throws MembershipError when another broker uses one of its log directories @throws MetadataStoreError when a row cannot be read
   */
  static open(options: MembershipOptions): Membership {
    const membership = new Membership(options);
    const { nodeId: broker, description: { directories } } = options;
    const owner = directoryOwner(membership.image, { broker, directories });
    if (owner === null) return membership;
    void membership.close();
    throw new MembershipError(
      `A log directory of broker ${broker} belongs to broker ${owner}, which is registered with it; ` +
        "choose another directory (--data), and never copy one",
    );
  }

  /**
   * Joins the cluster, once the logs are open and the listeners accept. Settles when this process is registered: then it may serve what its
   * rows say.
   * @throws MembershipError when the cluster does not take it, with the remedy
   */
  join(): Promise<void> {
    this.#elected.candidate.begin();
    return this.#member.join();
  }

  /** Where this process stands. */
  get state(): LifeState {
    return this.#member.life.state;
  }

  /** Whether the image has this process's registration. */
  get isRegistered(): boolean {
    return this.brokerEpoch >= 0 && this.state !== "superseded";
  }

  /** Epoch of this process's registration, -1 before the image has it. The proof of a clean stop names it. */
  get brokerEpoch(): number {
    return this.#member.life.brokerEpoch;
  }

  /** What the last attempt to be registered met. */
  get obstacle(): string {
    return this.#member.obstacle;
  }

  /** Whether this process is the elected controller. */
  get isController(): boolean {
    return this.#elected.isController;
  }

  register(registration: BrokerRegistration): Promise<RegistrationAnswer> {
    return this.#elected.register(registration);
  }

  heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    return this.#elected.heartbeat(heartbeat);
  }

  disconnected(broker: number): void {
    this.#elected.disconnected(broker);
  }

  /**
   * Stops in order: others take over what this broker leads; where it is the controller, it stays it until `close()`, so that a lone
   * broker, or all at once, can stop, too. Settles when they have, or the time is over; the shards still serve until then.
   * @param withinMs how long it takes at most; a later call may shorten it
   */
  async stop(withinMs: number): Promise<void> {
    if (this.#closing === null) await this.#member.stop(this.#hasFailed ? 0 : withinMs);
  }

  /** Leaves: no heartbeats, no candidacy, no image. Settles when the store has been told, if it answers. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#member.close();
    this.#led.close();
    this.rowProposals.close();
    this.counters[Symbol.dispose]();
    const closed = this.#elected.close();
    this.image[Symbol.dispose]();
    this.#timers[Symbol.dispose]();
    await closed;
  }

  #fail(error: MetadataStoreError | MembershipError, { failed }: MembershipOptions): void {
    if (this.#hasFailed || this.#closing !== null) return;
    this.#hasFailed = true;
    failed(error);
  }
}

/**
 * Identity of a broker's data directories: the registered one as long as one of its directories is there, so that a replaced disk does not
 * make the others count as lost; what was on that disk is known by the directories in the partitions' rows.
 */
function continuedDirectoryId(image: LiveImage, broker: number, directories: readonly string[]): string {
  const last = image.registrations.get(broker)?.row;
  const isContinued = last?.directories.some((id) => directories.includes(id)) === true;
  return isContinued ? last.directoryId : directories[0] ?? "";
}
