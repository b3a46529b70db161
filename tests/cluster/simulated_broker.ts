/**
 * One process of a broker in the cluster simulation: it drives the state machines of partitions/replication and partitions/cluster as the
 * product does, over the simulated log, store and network. Test code.
 */
import { BrokerLife, type ProcessIdentity } from "../../partitions/cluster/broker_life.ts";
import { candidacy, type ControllerState } from "../../partitions/cluster/controller_state.ts";
import type { Transaction } from "../../partitions/cluster/cluster_image.ts";
import type { VersionedRow } from "../../partitions/cluster/partition_row.ts";
import type { FetchAction, FetchAnswer, FollowerAction } from "../../partitions/replication/follower_state.ts";
import type { FetchPlace } from "../../partitions/replication/follower_rules.ts";
import type { LeaderState } from "../../partitions/replication/leader_state.ts";
import { ReplicaRole } from "../../partitions/replication/replica_role.ts";
import { type Offset, toOffset } from "../../storage/base/units.ts";
import type { Entry, SimulatedLog } from "./simulated_log.ts";
import type { BrokerProcess, Replica, Surroundings, Waiter } from "./simulated_process.ts";
import type { SimulatedImage } from "./simulated_store.ts";

const LAG_MAX_MS = 300;
/** Silence after which a broker is fenced. */
export const SESSION_MS = 400;
const BACKOFF_MS = 20;
const REQUEST_TIMEOUT_MS = 150;
const STOP_TIMEOUT_MS = 1500;

/** One process. */
export class SimulatedBroker implements BrokerProcess {
  readonly replicas: Replica[] = [];
  isDead = false;
  readonly life: BrokerLife;
  controller: ControllerState | null = null;
  readonly #world: Surroundings;
  /** Revision that the image has to reach before a subject's next transaction. */
  readonly #subjects = new Map<string, number>();
  #ticks = 0;

  constructor(
    world: Surroundings,
    readonly id: number,
    readonly identity: ProcessIdentity,
    readonly image: SimulatedImage,
    readonly logs: readonly SimulatedLog[],
    readonly checkpoints: number[],
  ) {
    this.#world = world;
    this.life = new BrokerLife(identity);
    this.life.recovered();
    this.imageMoved();
  }

  get nowMs(): number {
    return this.#world.localMs(this.id);
  }

  /** The image has applied more of the store's history. */
  imageMoved(): void {
    const wasRegistered = this.life.brokerEpoch >= 0;
    this.life.imageChanged(this.image);
    const isRegistered = this.life.brokerEpoch >= 0;
    if (isRegistered && !wasRegistered) this.#startReplicas();
    for (const replica of this.replicas) this.#rowMoved(replica);
    this.#controllerMoved();
  }

  tick(): void {
    const now = this.nowMs;
    this.#ticks++;
    for (const replica of this.replicas) {
      const { leader, follower } = replica.role;
      if (leader !== null) this.#propose(replica, leader, this.#ticks % 3 === 0);
      if (replica.place !== null && now - replica.sentMs > REQUEST_TIMEOUT_MS) {
        const { place } = replica;
        replica.place = null;
        follower.lost(place, now);
      }
      this.act(replica);
      this.releaseParked(replica);
      if (this.#world.random() < 0.3) this.checkpoints[replica.partition] = replica.role.highWatermark;
      if (this.#world.random() < 0.2) replica.log.durableEnd = replica.log.entries.length;
    }
    const request = this.life.request();
    if (request !== null) this.#world.sendToController(this, request);
    this.life.answered(false, now);
    this.#controllerMoved();
  }

  stop(): void {
    this.life.stop(this.nowMs + STOP_TIMEOUT_MS);
  }

  /** A client writes. @returns the entry, or why not */
  append(
    partition: number,
    record: { value: number; producer: number; sequence: number },
    acksAll: boolean,
  ): Entry | string {
    const replica = this.replicas[partition];
    const leader = replica?.role.leader;
    if (replica === undefined || !leader) return "not-leader";
    if (acksAll && !leader.hasEnoughReplicas) return "not-enough-replicas";
    const { log } = replica;
    if (record.producer >= 0) {
      const last = log.producers.get(record.producer);
      if (last !== undefined && record.sequence === last.sequence) return last;
      if (last !== undefined && record.sequence !== last.sequence + 1) return "out-of-order";
    }
    const epoch = leader.base.row.leaderEpoch;
    const entry = { ...record, offset: log.entries.length, epoch, previous: log.last, crashes: 0 };
    this.#world.invariants.appendedByLeader(this, partition, entry);
    log.append(entry);
    leader.appended(this.nowMs);
    this.afterLeader(replica);
    this.releaseParked(replica);
    return entry;
  }

  /** Epoch in which this broker leads, -1 if it does not. */
  leaderEpochOf(partition: number): number {
    return this.replicas[partition]?.role.leader?.base.row.leaderEpoch ?? -1;
  }

  wait(partition: number, waiter: Waiter): void {
    const replica = this.replicas[partition] as Replica;
    replica.waiters.push(waiter);
    this.#finish(replica);
  }

  deleteRecords(replica: Replica, below: number): void {
    if (replica.role.leader !== null && below <= replica.role.leader.highWatermark) replica.log.deleteBelow(below);
  }

  /** A follower's fetch arrived. */
  fetched(from: BrokerProcess, fetch: FetchAction, partition: number, isReleased = false): void {
    const replica = this.replicas[partition];
    const leader = replica?.role.leader;
    if (replica === undefined || !leader) return this.#answer(from, partition, fetch, failedAnswer);
    const { log } = replica;
    const [end, highWatermark, start] = [log.entries.length, leader.highWatermark, log.logStartOffset];
    const brokerEpoch = from.life.brokerEpoch;
    // A parked fetch counted when it arrived.
    const verdict = isReleased && leader.base.row.leaderEpoch === fetch.leaderEpoch
      ? "continues"
      : leader.followerFetched({ ...fetch, replica: from.id, brokerEpoch }, this.nowMs);
    if (verdict === "offset-out-of-range") {
      return this.#answer(from, partition, fetch, { kind: verdict });
    }
    if (verdict === "fenced-leader-epoch") {
      return this.#answer(from, partition, fetch, { kind: verdict });
    }
    if (typeof verdict === "object") {
      const answer = { kind: "diverging" as const, diverging: verdict, highWatermark, logStartOffset: start };
      return this.#answer(from, partition, fetch, answer);
    }
    if (verdict !== "continues") return this.#answer(from, partition, fetch, failedAnswer);
    this.afterLeader(replica);
    this.#propose(replica, leader, false);
    if (fetch.offset >= end && !isReleased) {
      replica.parked.push({ from, fetch });
      return;
    }
    const [first, last] = [fetch.offset, Math.min(end, fetch.offset + this.#world.fetchEntriesMax)];
    const marks = { highWatermark: highWatermark, logStartOffset: start };
    this.#world.answerRecords(this, from, { partition, fetch, log, first, last, marks });
  }

  /** An answer arrived at the follower. */
  answered(partition: number, fetch: FetchAction, answer: FetchAnswer<readonly Entry[]>): void {
    const replica = this.replicas[partition];
    if (replica === undefined) return;
    replica.role.follower.answered(fetch, answer, this.nowMs);
    this.act(replica);
  }

  /** Executes what the follower asks for. */
  act(replica: Replica): void {
    const { role, partition } = replica;
    for (let action = this.#take(role); action !== null; action = this.#take(role)) {
      if (action.kind === "fetch" || action.kind === "ask-offsets") {
        replica.sentMs = this.nowMs;
        replica.place = action.kind === "fetch" ? action : action.place;
        if (action.kind === "fetch") this.#world.sendFetch(this, action, partition);
        else this.#world.askOffsets(this, action.leader, action.place, partition);
      } else {
        this.#world.write(this, () => {
          if (replica.role === role) this.#written(replica, action);
        });
      }
    }
    this.#world.invariants.followed(this, replica);
  }

  offsetsAnswered(partition: number, place: FetchPlace, start: Offset, end: Offset): void {
    const replica = this.replicas[partition];
    if (replica === undefined) return;
    replica.role.follower.offsetsAnswered(place, start, end, this.nowMs);
    this.act(replica);
  }

  /** Tells the invariants what the leader did, and answers those who waited for it. */
  afterLeader(replica: Replica): void {
    const { leader } = replica.role;
    if (leader === null) return;
    this.#world.invariants.highWatermarkOf(this, replica, leader);
    this.#finish(replica);
  }

  releaseParked(replica: Replica): void {
    if (replica.parked.length === 0) return;
    const { parked } = replica;
    replica.parked = [];
    for (const { from, fetch } of parked) this.fetched(from, fetch, replica.partition, true);
  }

  /** Everybody who waits is told nothing: the process died. */
  die(): void {
    this.isDead = true;
  }

  #take(role: ReplicaRole<readonly Entry[]>): FollowerAction<readonly Entry[]> | null {
    return role.leader === null ? role.follower.takeAction(this.nowMs) : null;
  }

  #answer(to: BrokerProcess, partition: number, fetch: FetchAction, answer: FetchAnswer<readonly Entry[]>): void {
    this.#world.answerFetch(this, to, { partition, fetch, answer });
  }

  #startReplicas(): void {
    for (const [partition, log] of this.logs.entries()) {
      const highWatermark = Math.min(this.checkpoints[partition] as number, log.entries.length);
      const role = this.#newRole(log, highWatermark);
      this.replicas.push({
        partition,
        log,
        role,
        waiters: [],
        parked: [],
        seenHighWatermark: highWatermark,
        seenEpoch: -1,
        sentMs: 0,
        place: null,
        sentProposal: null,
      });
    }
  }

  #newRole(log: SimulatedLog, highWatermark: number): ReplicaRole<readonly Entry[]> {
    const parts = {
      self: this.id,
      log,
      lagMaxMs: LAG_MAX_MS,
      backoffMs: BACKOFF_MS,
      broker: (id: number) => this.image.brokers.get(id) ?? null,
      noteEpoch: (epoch: number) => log.noteEpoch(epoch),
      configuredMinIsr: () => this.image.minIsr,
      ...this.#world.planted.rules,
    };
    return new ReplicaRole<readonly Entry[]>(parts, toOffset(highWatermark));
  }

  /** A reassignment has taken the replica away: its log is removed, and a replica that comes back begins anew. */
  #remove(replica: Replica): void {
    const { log, partition } = replica;
    if (replica.role.leader !== null) this.#resign(replica);
    log.recover(0);
    replica.role = this.#newRole(log, 0);
    replica.seenHighWatermark = this.checkpoints[partition] = 0;
    replica.place = replica.sentProposal = null;
  }

  #rowMoved(replica: Replica): void {
    const base = this.image.partitions.get(`${replica.partition}`) as VersionedRow;
    const isHere = base.row.replicas.includes(this.id);
    if (!isHere && replica.log.entries.length > 0) this.#remove(replica);
    const { role } = replica;
    role.leader?.configured(this.image.minIsr);
    const change = role.rowChanged(base, this.nowMs);
    if (change === "resigned" || change === "resigned-and-leads") this.#resign(replica);
    if (change === "leads" || change === "resigned-and-leads") this.#leads(replica);
    if (role.leader !== null) {
      this.afterLeader(replica);
      this.#propose(replica, role.leader, false);
    }
    this.act(replica);
  }

  #leads(replica: Replica): void {
    this.#world.invariants.leads(this, replica);
    this.afterLeader(replica);
    this.#propose(replica, replica.role.leader as LeaderState, false);
  }

  #resign(replica: Replica): void {
    const { waiters } = replica;
    replica.waiters = [];
    replica.sentProposal = null;
    for (const waiter of waiters) {
      if (waiter.isCommit && this.#world.planted.answersAfterResignation) replica.waiters.push(waiter);
      else waiter.answer("failed");
    }
    this.releaseParked(replica);
  }

  #finish(replica: Replica): void {
    if (replica.waiters.length === 0) return;
    const { role } = replica;
    replica.waiters = replica.waiters.filter((waiter) => {
      const { entry, leaderEpoch } = waiter;
      const isReached = waiter.isCommit && this.#world.planted.answersAfterResignation === true &&
        role.highWatermark > entry.offset;
      const verdict = isReached ? "committed" : role.verdictOf(leaderEpoch, toOffset(entry.offset + 1));
      if (verdict === "waits") return true;
      if (verdict === "committed") this.#world.invariants.answered(this, replica, waiter);
      waiter.answer(verdict === "committed" ? "ok" : verdict === "not-leader-or-follower" ? "failed" : "after-append");
      return false;
    });
  }

  #written(replica: Replica, action: FollowerAction<readonly Entry[]>): void {
    const { log, role, partition } = replica;
    if (action.kind === "truncate") {
      this.#world.invariants.truncates(this, replica, action.to);
      log.truncate(action.to);
    } else if (action.kind === "restart") {
      this.#world.invariants.truncates(this, replica, action.at);
      const skipped = this.#world.entriesBelow(partition, action.at);
      log.restartAt(skipped === null ? 0 : action.at, skipped ?? []);
    } else if (action.kind === "append") {
      for (const entry of action.slice.slice(0, action.count)) {
        this.#world.invariants.appendedByFollower(this, partition, log, entry);
        log.append(entry);
      }
    }
    const leads = role.written(this.nowMs);
    log.deleteBelow(role.follower.leaderLogStart);
    this.#world.invariants.changed(this, replica);
    if (leads) this.#leads(replica);
    if (this.#world.planted.answersAfterResignation) this.#finish(replica);
    this.act(replica);
  }

  #propose(replica: Replica, leader: LeaderState, isTick: boolean): void {
    const proposal = leader.takeProposal(this.nowMs, isTick);
    if (proposal === null || proposal === replica.sentProposal) return;
    replica.sentProposal = proposal;
    const { base, row, comparisons } = proposal;
    const partition = `${replica.partition}`;
    const transaction: Transaction = {
      subject: partition,
      comparisons: [{ kind: "row", partition, version: base.version }, ...comparisons],
      writes: [{ kind: "row", partition, row }],
    };
    this.#world.transact(this, this.#world.planted.leaderTransaction?.(transaction) ?? transaction, (outcome) => {
      if (replica.role.leader !== leader || replica.sentProposal !== proposal) return;
      replica.sentProposal = null;
      if (typeof outcome === "number") leader.proposalEnded(proposal, { version: outcome }, this.nowMs);
      else if (outcome === "unknown") leader.proposalEnded(proposal, outcome, this.nowMs);
      else {
        const isSame = this.#world.store.head.partitions.get(partition)?.version === base.version;
        leader.proposalEnded(proposal, isSame ? "refused" : "conflict", this.nowMs);
      }
      this.afterLeader(replica);
      this.#propose(replica, leader, false);
    });
  }

  /** Becomes the controller while there is none, and does what the controller decides. */
  #controllerMoved(): void {
    const { image } = this;
    const { incarnation } = this.identity;
    const isCandidate = this.life.state !== "stopping" && this.life.state !== "stopped";
    const candidate = isCandidate ? candidacy(image, this.id, incarnation) : null;
    if (candidate !== null) this.#transactOnce(candidate);
    if (image.controllerIncarnation !== incarnation) {
      this.controller = null;
      return;
    }
    if (this.controller?.epoch !== image.controllerEpoch) {
      this.controller = this.#world.newController(image.controllerEpoch, this.nowMs);
    }
    for (const transaction of this.controller.decide(image, this.nowMs)) this.#transactOnce(transaction);
  }

  #transactOnce(transaction: Transaction): void {
    const { subject } = transaction;
    if ((this.#subjects.get(subject) ?? 0) > this.image.revision) return;
    this.#subjects.set(subject, Infinity);
    const planted = this.#world.planted.controllerTransaction?.(transaction) ?? transaction;
    this.#world.transact(this, planted, (outcome) => {
      this.#subjects.set(subject, typeof outcome === "number" ? outcome : 0);
    });
  }
}

const failedAnswer = { kind: "failed" } as const;
