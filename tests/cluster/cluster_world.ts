/**
 * The cluster simulation: brokers, the metadata store, and the network between them, by a seed. At the end the faults stop, and the cluster has
 * to become whole. Test code.
 */
import { strict as assert } from "node:assert";
import type { LifeRequest, ProcessIdentity } from "../../partitions/cluster/broker_life.ts";
import type { Transaction } from "../../partitions/cluster/cluster_image.ts";
import { ControllerState } from "../../partitions/cluster/controller_state.ts";
import { createRow } from "../../partitions/cluster/partition_row.ts";
import type { FetchPlace } from "../../partitions/replication/follower_rules.ts";
import type { FetchAction, FetchAnswer } from "../../partitions/replication/follower_state.ts";
import type { LeaderState } from "../../partitions/replication/leader_state.ts";
import { createRandom } from "../../storage/base/random.ts";
import { toOffset } from "../../storage/base/units.ts";
import { ClusterInvariants, type Counts } from "./cluster_invariants.ts";
import { SESSION_MS, SimulatedBroker } from "./simulated_broker.ts";
import { type Entry, SimulatedLog } from "./simulated_log.ts";
import { unfinished } from "./cluster_liveness.ts";
import { SimulatedNetwork, STORE } from "./simulated_network.ts";
import type { BrokerProcess, Planted, RecordsAnswer, Surroundings, TransactionOutcome } from "./simulated_process.ts";
import { SimulatedStore } from "./simulated_store.ts";

/** Share of answers whose records are read when they are sent, and how long that takes. */
const LATE_READS = 0.3;
const LATE_READ_MS_MAX = 600;
const ROUND_MS = 25;
const ROUNDS_MAX = 400;

/** One history. */
export class ClusterWorld implements Surroundings {
  readonly random: () => number;
  readonly store: SimulatedStore;
  readonly invariants: ClusterInvariants;
  readonly planted: Planted;
  /** By node id; 0 is unused. */
  readonly brokers: (SimulatedBroker | null)[] = [null];
  readonly brokersCount: number;
  readonly partitionsCount: number;
  /** By partition, then node id. */
  readonly logs: SimulatedLog[][];
  readonly network: SimulatedNetwork;
  readonly isUnclean: boolean;
  readonly fetchEntriesMax: number;
  readonly #rates: number[] = [];
  readonly #disks: { directoryId: string; cleanEpoch: number; checkpoints: number[] }[] = [];
  #processes = 0;

  constructor(seed: number, planted: Planted, counts: Counts) {
    this.random = createRandom(seed);
    this.planted = planted;
    this.brokersCount = this.random() < 0.75 ? 3 : this.random() < 0.5 ? 4 : 5;
    this.partitionsCount = this.random() < 0.75 ? 1 : 2;
    this.fetchEntriesMax = 1 + this.below(4);
    this.isUnclean = this.random() < 0.1;
    const minIsr = this.random() < 0.7 ? 2 : this.random() < 0.7 ? 1 : 3;
    this.store = new SimulatedStore(minIsr, this.isUnclean);
    this.network = new SimulatedNetwork(this.random, this.store);
    this.logs = Array.from(
      { length: this.partitionsCount },
      () => Array.from({ length: this.brokersCount + 1 }, () => new SimulatedLog()),
    );
    for (const log of this.logs.flat()) log.keepsProducers = planted.keepsProducers === true;
    const leaderOf = (partition: number) => this.#leaderOf(partition);
    this.invariants = new ClusterInvariants(this.store, this.logs, leaderOf, { isUnclean: this.isUnclean, counts });
    for (let id = 1; id <= this.brokersCount; id++) {
      this.#rates[id] = 0.8 + 0.4 * this.random();
      this.#disks[id] = {
        directoryId: `disk ${id}`,
        cleanEpoch: -1,
        checkpoints: new Array(this.partitionsCount).fill(0),
      };
    }
    this.#create(minIsr);
  }

  /** An integer from 0 on. */
  below(bound: number): number {
    return Math.floor(this.random() * bound);
  }

  localMs(id: number): number {
    return this.network.nowMs * (this.#rates[id] as number);
  }

  newController(epoch: number, nowMs: number): ControllerState {
    return new (this.planted.controller ?? ControllerState)(epoch, SESSION_MS, nowMs);
  }

  /** A broker's clock ticks. */
  tick(id: number): void {
    const broker = this.brokers[id];
    if (!broker || this.network.paused.has(id)) return;
    broker.tick();
    if (broker.life.state === "stopped") this.#stopped(broker);
  }

  /** A broker's watch of the store brings some revisions. */
  watch(id: number, count: number): void {
    const broker = this.brokers[id];
    if (!broker || this.network.paused.has(id) || this.network.isStoreAway || this.network.isCut(STORE, id)) return;
    const { history } = this.store;
    const end = Math.min(history.length, broker.image.revision + count);
    if (end === broker.image.revision) return;
    while (broker.image.revision < end) broker.image.apply(history[broker.image.revision]!);
    broker.imageMoved();
  }

  /** Starts a process, whose image is a little old. */
  start(id: number): void {
    const disk = this.#disks[id]!;
    const { directoryId, cleanEpoch, checkpoints } = disk;
    disk.cleanEpoch = -1;
    const incarnation = `${++this.#processes}`;
    const request: ProcessIdentity = { broker: id, incarnation, directoryId, directories: [], cleanEpoch };
    const image = this.store.imageAt(Math.max(0, this.store.history.length - this.below(3)));
    const logs = this.logs.map((logsOfPartition) => logsOfPartition[id] as SimulatedLog);
    this.brokers[id] = new SimulatedBroker(this, id, request, image, logs, checkpoints);
  }

  /** Ends a process without warning. @param loss what its disk loses */
  crash(id: number, loss: "nothing" | "tail" | "disk"): void {
    const broker = this.brokers[id];
    if (!broker) return;
    broker.die();
    this.brokers[id] = null;
    this.network.paused.delete(id);
    const disk = this.#disks[id]!;
    const had = this.logs.map((logs) => logs[id]!.entries.slice());
    const kept = had.map(({ length }, partition) => {
      const { durableEnd } = this.logs[partition]![id]!;
      return loss === "nothing" ? length : loss === "disk" ? 0 : durableEnd + this.below(length - durableEnd + 1);
    });
    this.invariants.crashed(broker, had, kept);
    for (const [partition, end] of kept.entries()) {
      this.logs[partition]![id]!.recover(end);
      if (loss === "disk") disk.checkpoints[partition] = 0;
    }
    if (loss === "disk") disk.directoryId += "'";
    if (this.planted.claimsCleanStop) disk.cleanEpoch = broker.life.brokerEpoch;
    for (const other of this.brokers) {
      if (other) this.network.send({ target: other, from: id, to: other.id, run: () => this.#noticeEnd(other, id) });
    }
  }

  /** The controller takes a broker for dead. */
  suspect(id: number): void {
    this.brokers[this.store.head.controller]?.controller?.refused(id);
  }

  /** The store forgets who the controller is. */
  expireController(): void {
    if (this.store.head.controller >= 0) this.store.write([{ kind: "no-controller" }]);
  }

  sendToController(from: BrokerProcess, request: LifeRequest): void {
    const id = from.image.controller;
    if (id < 0) return;
    this.#sendTo(from.id, id, (to) => {
      const { controller } = to;
      if (controller === null) return;
      if (request.kind === "register") return controller.register(request.request, to.nowMs);
      const mayStop = controller.heard(request.heartbeat, to.image, to.nowMs);
      this.network.send({ target: from, from: id, to: from.id, run: () => from.life.answered(mayStop, from.nowMs) });
    });
  }

  sendFetch(from: BrokerProcess, fetch: FetchAction, partition: number): void {
    this.#sendTo(from.id, fetch.leader, (to) => to.fetched(from, fetch, partition));
  }

  answerFetch(
    from: BrokerProcess,
    to: BrokerProcess,
    { partition, fetch, answer }: { partition: number; fetch: FetchAction; answer: FetchAnswer<readonly Entry[]> },
  ): void {
    this.network.send({
      target: to,
      from: from.id,
      to: to.id,
      run: () => to.answered(partition, fetch, answer),
    });
  }

  answerRecords(from: BrokerProcess, to: BrokerProcess, answer: RecordsAnswer): void {
    const { partition, fetch, log, first, last, marks } = answer;
    const isLate = this.network.isFaulty && this.random() < LATE_READS;
    const { truncations } = log;
    const begun = isLate ? null : log.entries.slice(first, last);
    const run = () => {
      const isCut = isLate && log.truncations !== truncations;
      const slice = begun ?? log.entries.slice(first, last);
      // A file that has become shorter breaks the connection; so does one that was cut, if the leader is sound.
      if (slice.length < last - first || (isCut && !this.planted.sendsCutRecords)) return;
      const batches = {
        count: slice.length,
        epochOf: (index: number) => slice[index]!.epoch,
        baseOffsetOf: (index: number) => toOffset(slice[index]!.offset),
        slice,
      };
      to.answered(partition, fetch, { kind: "records", batches, ...marks });
    };
    const readyMs = isLate ? this.network.nowMs + this.random() * LATE_READ_MS_MAX : 0;
    this.network.push({ target: to, from: from.id, to: to.id, readyMs, run });
  }

  askOffsets(from: BrokerProcess, leader: number, place: FetchPlace, partition: number): void {
    this.#sendTo(from.id, leader, (to) => {
      const replica = to.replicas[partition];
      if (replica?.role.leader?.base.row.leaderEpoch !== place.leaderEpoch) return;
      const { logStartOffset, logEndOffset } = replica.log;
      const run = () => from.offsetsAnswered(partition, place, logStartOffset, logEndOffset);
      this.network.send({ target: from, from: leader, to: from.id, run });
    });
  }

  /** A write to a broker's disk, which ends later. */
  write(broker: BrokerProcess, run: () => void): void {
    this.network.send({ target: broker, from: broker.id, to: broker.id, run });
  }

  /** A message of a client. */
  request(id: number, run: (broker: SimulatedBroker) => void): void {
    this.#sendTo(id, id, run);
  }

  transact(from: BrokerProcess, transaction: Transaction, done: (outcome: TransactionOutcome) => void): void {
    this.network.transact(from, transaction, done);
  }

  /** What a log that begins anew at an offset never copies, because the leader has deleted it; null when nobody has it any more. */
  entriesBelow(partition: number, offset: number): Entry[] | null {
    if (offset <= this.invariants.committedEnd(partition)) {
      return Array.from({ length: offset }, (_, at) => this.invariants.committedAt(partition, at) as Entry);
    }
    const log = this.logs[partition]!.find(({ entries }) => entries.length >= offset);
    return log?.entries.slice(0, offset) ?? null;
  }

  /** The faults have ended: everything under way happens in order, until the cluster is whole. @returns rounds that it took */
  settle(everyRound: () => void): number {
    this.network.becomeReliable();
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      this.network.nowMs += ROUND_MS;
      for (let id = 1; id <= this.brokersCount; id++) {
        if (!this.brokers[id]) this.start(id);
        this.watch(id, Infinity);
        this.tick(id);
      }
      const controller = this.brokers[this.store.head.controller];
      if (this.store.head.controller >= 0 && !controller?.controller && round % 10 === 0) this.expireController();
      everyRound();
      this.network.deliverAll();
      if (round % 4 === 0 && unfinished(this.store, this.brokers) === null) return round;
    }
    assert.fail(`L: ${unfinished(this.store, this.brokers)}`);
  }

  #create(minIsr: number): void {
    for (let id = 1; id <= this.brokersCount; id++) {
      const registration = { broker: id, incarnation: `${id}`, directoryId: `disk ${id}` };
      this.store.write([{ kind: "registration", ...registration }, { kind: "state", broker: id, state: "active" }]);
    }
    this.#processes = this.brokersCount;
    this.store.write([{ kind: "controller", broker: 1, incarnation: "1" }]);
    for (let partition = 0; partition < this.partitionsCount; partition++) {
      const first = this.below(this.brokersCount);
      const replicas = Array.from({ length: 3 }, (_, index) => 1 + (first + index) % this.brokersCount);
      const row = createRow(replicas, minIsr, { isActive: () => true });
      this.store.write([{ kind: "row", partition: `${partition}`, row }]);
    }
    for (let id = 1; id <= this.brokersCount; id++) {
      const request = { broker: id, incarnation: `${id}`, directoryId: `disk ${id}`, directories: [], cleanEpoch: -1 };
      const image = this.store.imageAt(this.store.history.length);
      const logs = this.logs.map((logsOfPartition) => logsOfPartition[id] as SimulatedLog);
      this.brokers[id] = new SimulatedBroker(this, id, request, image, logs, this.#disks[id]!.checkpoints);
    }
  }

  #stopped(broker: SimulatedBroker): void {
    const disk = this.#disks[broker.id]!;
    for (const { log, role, partition } of broker.replicas) {
      disk.checkpoints[partition] = role.highWatermark;
      log.recover(log.entries.length);
    }
    disk.cleanEpoch = broker.life.brokerEpoch;
    if (disk.cleanEpoch < 0) {
      // The last process's proof is used up, and this one has none.
      const had = this.logs.map((logs) => logs[broker.id]!.entries);
      this.invariants.crashed(broker, had, had.map(({ length }) => length));
    }
    this.network.paused.delete(broker.id);
    broker.die();
    this.brokers[broker.id] = null;
  }

  #noticeEnd(broker: SimulatedBroker, ended: number): void {
    if (this.brokers[ended] === null) broker.controller?.refused(ended);
  }

  #sendTo(from: number, to: number, run: (broker: SimulatedBroker) => void): void {
    const target = this.brokers[to];
    if (!target) return;
    this.network.send({ target, from, to, run: () => run(target) });
  }

  #leaderOf(partition: number): LeaderState | null {
    const row = this.store.head.partitions.get(`${partition}`)?.row;
    return this.brokers[row?.leader ?? -1]?.replicas[partition]?.role.leader ?? null;
  }
}
