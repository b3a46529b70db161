/**
 * One history of the cluster simulation: what clients, administrators and faults do to the cluster, step by step. Test code.
 */
import { strict as assert } from "node:assert";
import { changeRow, type RowChange } from "../../partitions/cluster/partition_row.ts";
import { isRefusal, reassignmentChange } from "../../partitions/cluster/reassignment.ts";
import { brokerView, type Comparison, type Transaction } from "../../partitions/cluster/cluster_image.ts";
import type { Counts } from "./cluster_invariants.ts";
import { ClusterWorld } from "./cluster_world.ts";
import type { Planted, Profile } from "./simulated_process.ts";
import type { SimulatedBroker } from "./simulated_broker.ts";
import type { Entry } from "./simulated_log.ts";

/** Steps before the faults end. */
const STEPS_MIN = 200;
const STEPS_MAX = 700;
const REASSIGNMENT_RULES = { mayChangeFactor: true, isUncleanElectionEnabled: false };
/** An idempotent producer's sequence is repeated until it is acknowledged. */
interface Producer {
  id: number;
  sequence: number;
  value: number;
  readonly partition: number;
  isWaiting: boolean;
}

/** Runs one history. @returns the steps that it took */
export function runHistory(seed: number, planted: Planted, counts: Counts): number {
  return new ClusterHistory(seed, planted, counts).run();
}

function pickProfile(random: number): Profile {
  return random < 0.3 ? "failovers" : random < 0.4 ? "rebirths" : "anything";
}

class ClusterHistory {
  readonly #world: ClusterWorld;
  readonly #producers: Producer[];
  readonly #positions: number[];
  /** How often faults happen, and which kinds this history has. */
  readonly #faultRate: number;
  readonly #faults: readonly (() => void)[];
  /** Share of the watch's turns that a broker gets, by node id: some images are old for long. */
  readonly #watchRates: readonly number[];
  readonly #reliefRate: number;
  #values = 0;
  #producerIds = 0;

  constructor(seed: number, planted: Planted, counts: Counts) {
    const world = new ClusterWorld(seed, planted, counts);
    this.#world = world;
    this.#producers = Array.from({ length: 2 }, () => this.#newProducer(world.below(world.partitionsCount)));
    this.#positions = new Array(world.partitionsCount).fill(0);
    this.#faultRate = [0.01, 0.03, 0.06][world.below(3)] as number;
    const profile = planted.profile ?? pickProfile(world.random());
    const lag = world.random() < 0.5 || profile === "failovers" ? this.#anyBroker() : 0;
    this.#watchRates = Array.from({ length: world.brokersCount + 1 }, (_, id) => id === lag ? 0.1 : 1);
    if (profile === "failovers") this.#faults = this.#failovers();
    else if (profile === "rebirths") this.#faults = this.#rebirths();
    else this.#faults = this.#allFaults().filter(() => world.random() < 0.5);
    world.network.slowMessages = profile === "rebirths" ? 0.2 : 0.06;
    this.#reliefRate = profile === "rebirths" ? 0.1 : 0.03;
  }

  run(): number {
    const world = this.#world;
    const steps = STEPS_MIN + world.below(STEPS_MAX - STEPS_MIN);
    for (let step = 0; step < steps; step++) this.#step();
    const rounds = world.settle(() => this.#settleRound());
    this.#checkEnd();
    return steps + rounds;
  }

  #step(): void {
    const world = this.#world;
    world.network.passTime();
    const kind = world.random();
    if (kind < 0.55) world.network.deliver();
    else if (kind < 0.68) world.tick(this.#anyBroker());
    else if (kind < 0.8) this.#watch(this.#anyBroker());
    else if (kind < 0.95) this.#client();
    else this.#consume(world.below(world.partitionsCount));
    if (world.random() < this.#faultRate) this.#faults[world.below(this.#faults.length)]?.();
    // Without these the faults would soon leave nothing that works.
    if (world.random() < this.#reliefRate) this.#relieve();
  }

  #watch(id: number): void {
    const world = this.#world;
    if (world.random() < this.#watchRates[id]!) world.watch(id, 1 + world.below(4));
  }

  #client(): void {
    const world = this.#world;
    const kind = world.random();
    if (kind < 0.5) this.#produce(this.#producers[world.below(this.#producers.length)]!);
    else this.#write(world.below(world.partitionsCount), kind < 0.75 ? "acks-1" : kind < 0.9 ? "commit" : "acks-all");
  }

  /** An idempotent producer sends its next record, or the last one again. */
  #produce(producer: Producer): void {
    const world = this.#world;
    if (producer.isWaiting && world.random() < 0.8) return;
    if (!producer.isWaiting) {
      producer.isWaiting = true;
      producer.value = ++this.#values;
    }
    const { partition, id, sequence, value } = producer;
    const leader = this.#leaderFor(partition);
    if (leader < 0) return;
    const isPresent = () => producer.id === id && producer.sequence === sequence;
    world.request(leader, (broker) => {
      const entry = broker.append(partition, { value, producer: id, sequence }, true);
      // A deposed leader may lack what its successor has acknowledged.
      const isLeader =
        world.store.head.partitions.get(`${partition}`)?.row.leaderEpoch === broker.leaderEpochOf(partition);
      if (entry === "out-of-order" && isPresent() && isLeader) {
        assert(world.invariants.hasLost(partition), "1: an acknowledged sequence is gone");
        Object.assign(producer, this.#newProducer(partition));
      }
      if (typeof entry === "string") return;
      this.#wait(broker, partition, entry, false, (outcome) => {
        if (outcome !== "ok" || !isPresent()) return;
        producer.sequence++;
        producer.isWaiting = false;
      });
    });
  }

  #write(partition: number, kind: "acks-1" | "acks-all" | "commit"): void {
    const leader = this.#leaderFor(partition);
    if (leader < 0) return;
    const record = { value: ++this.#values, producer: -1, sequence: -1 };
    this.#world.request(leader, (broker) => {
      const entry = broker.append(partition, record, kind !== "acks-1");
      if (typeof entry !== "string" && kind !== "acks-1") this.#wait(broker, partition, entry, kind === "commit");
    });
  }

  #wait(
    broker: SimulatedBroker,
    partition: number,
    entry: Entry,
    isCommit: boolean,
    answer: (outcome: "ok" | "failed" | "after-append") => void = () => {},
  ): void {
    broker.wait(partition, { entry, leaderEpoch: broker.leaderEpochOf(partition), isCommit, answer });
  }

  /** A consumer reads on at a broker that leads, or believes to. */
  #consume(partition: number): void {
    const broker = this.#world.brokers[this.#leaderFor(partition)];
    const replica = broker?.replicas[partition];
    if (!replica?.role.leader || this.#world.invariants.hasLost(partition)) return;
    const { highWatermark } = replica.role;
    const start = Math.max(this.#positions[partition] as number, replica.log.logStartOffset);
    for (let at = start; at < highWatermark; at++) {
      const isSame = replica.log.entries[at] === this.#world.invariants.committedAt(partition, at);
      assert(isSame, `4: a consumer reads another value at offset ${at} of partition ${partition}`);
      this.#positions[partition] = at + 1;
    }
  }

  #relieve(): void {
    const world = this.#world;
    const id = this.#anyBroker();
    if (!world.brokers[id]) world.start(id);
    else if (world.network.paused.delete(id)) return;
    else if (world.network.isStoreAway) world.network.isStoreAway = false;
    else world.network.heal();
    const { controller } = world.store.head;
    if (controller >= 0 && !world.brokers[controller]?.controller) world.expireController();
  }

  #allFaults(): (() => void)[] {
    const world = this.#world;
    return [
      () => world.crash(this.#anyBroker(), "nothing"),
      () => world.crash(this.#anyBroker(), "tail"),
      () => world.crash(this.#leaderFor(0), world.random() < 0.5 ? "nothing" : "tail"),
      () => world.crash(this.#anyBroker(), world.random() < 0.3 ? "disk" : "tail"),
      () => world.brokers[this.#anyBroker()]?.stop(),
      () => world.suspect(this.#anyBroker()),
      () => world.suspect(this.#leaderFor(0)),
      () => world.network.paused.add(this.#anyBroker()),
      () => world.network.paused.add(this.#leaderFor(0)),
      () => world.network.cut(world.below(world.brokersCount + 1), world.below(world.brokersCount + 1)),
      () => this.#isolate(this.#anyBroker()),
      () => void (world.network.isStoreAway = true),
      () => world.expireController(),
      () => this.#configure(),
      () => this.#reassign(),
      () => this.#elect(world.random() < 0.5 ? "preferred" : "online"),
      () => this.#deleteRecords(),
    ];
  }

  /** Leaders that are deposed while they live. */
  #failovers(): (() => void)[] {
    const world = this.#world;
    return [
      () => world.suspect(this.#leaderFor(world.below(world.partitionsCount))),
      () => this.#elect("preferred"),
      () => this.#reorder(),
    ];
  }

  /** Followers that lose their tails and come back, while messages of their former processes are on the way. */
  #rebirths(): (() => void)[] {
    const world = this.#world;
    const crash = () => {
      const id = this.#anyBroker();
      if (world.store.head.partitions.get("0")?.row.leader !== id) world.crash(id, "tail");
    };
    return [crash, crash, () => this.#deleteRecords()];
  }

  /** Another replica becomes the preferred leader. */
  #reorder(): void {
    this.#change(this.#world.below(this.#world.partitionsCount), ({ replicas, adding, removing }) => {
      if (adding.length + removing.length > 0) return null;
      return { target: [...replicas.slice(1), ...replicas.slice(0, 1)], election: "preferred" };
    });
  }

  #isolate(id: number): void {
    const world = this.#world;
    for (let other = 0; other <= world.brokersCount; other++) {
      if (other === id || world.random() < 0.2) continue;
      world.network.cut(id, other);
      if (world.random() < 0.7) world.network.cut(other, id);
    }
  }

  #configure(): void {
    this.#world.store.write([{ kind: "min-isr", minIsr: 1 + this.#world.below(3) }]);
  }

  #reassign(): void {
    const world = this.#world;
    const first = this.#anyBroker();
    const length = 2 + world.below(2);
    const target = Array.from({ length }, (_, index) => 1 + (first + index) % world.brokersCount);
    const minIsr = world.store.head.minIsr;
    const replicas = world.random() < 0.25 ? null : target;
    this.#change(world.below(world.partitionsCount), (row) => {
      const change = reassignmentChange(row, replicas, REASSIGNMENT_RULES);
      return isRefusal(change) ? null : { ...change, minIsr };
    });
  }

  #elect(election: "preferred" | "online"): void {
    this.#change(this.#world.below(this.#world.partitionsCount), () => ({ election }));
  }

  /** An administrator's change through any broker, made from its image. */
  #change(number: number, changeOf: (row: Parameters<typeof changeRow>[0]) => RowChange | null): void {
    const world = this.#world;
    const broker = world.brokers[this.#anyBroker()];
    const partition = `${number}`;
    const base = broker?.image.partitions.get(partition);
    if (!broker || base === undefined) return;
    const change = changeOf(base.row);
    const row = change === null ? null : changeRow(base.row, change, brokerView(broker.image));
    if (row === null) return;
    const comparisons: Comparison[] = [{ kind: "row", partition, version: base.version }];
    const chosen = broker.image.brokers.get(row.leader);
    if (chosen !== undefined) comparisons.push({ kind: "state", broker: row.leader, version: chosen.stateVersion });
    const transaction: Transaction = { subject: partition, comparisons, writes: [{ kind: "row", partition, row }] };
    world.transact(broker, transaction, () => {});
  }

  #deleteRecords(): void {
    const world = this.#world;
    const partition = world.below(world.partitionsCount);
    const broker = world.brokers[this.#leaderFor(partition)];
    const replica = broker?.replicas[partition];
    if (broker && replica) broker.deleteRecords(replica, world.below(replica.role.highWatermark + 1));
  }

  /** In the end an administrator elects uncleanly where nobody else may lead, and waiting producers try again. */
  #settleRound(): void {
    const world = this.#world;
    for (const producer of this.#producers) if (producer.isWaiting) this.#produce(producer);
    if (world.random() < 0.9) return;
    for (const [partition, { row }] of world.store.head.partitions) {
      const isHopeless = row.leader < 0 && row.isr.length + row.elr.length + row.lastKnownElr.length === 0;
      if (!isHopeless) continue;
      world.invariants.taint(Number(partition));
      this.#change(Number(partition), (last) => last.leader < 0 ? { election: "unclean" } : null);
    }
  }

  /** What was acknowledged is there, and the consumers read it. */
  #checkEnd(): void {
    const world = this.#world;
    for (let partition = 0; partition < world.partitionsCount; partition++) {
      this.#consume(partition);
      const { row } = world.store.head.partitions.get(`${partition}`)!;
      const { log } = world.brokers[row.leader]!.replicas[partition]!;
      if (world.invariants.hasLost(partition)) continue;
      const end = world.invariants.committedEnd(partition);
      const last = world.invariants.committedAt(partition, end - 1);
      assert(
        (last === undefined || log.has(last)) && end === log.entries.length,
        `L: partition ${partition} ends with what is committed`,
      );
    }
  }

  /** The leader that some broker's image names, -1 for none. */
  #leaderFor(partition: number): number {
    const world = this.#world;
    const image = world.random() < 0.7 ? world.store.head : world.brokers[this.#anyBroker()]?.image;
    return image?.partitions.get(`${partition}`)?.row.leader ?? -1;
  }

  #anyBroker(): number {
    return 1 + this.#world.below(this.#world.brokersCount);
  }

  #newProducer(partition: number): Producer {
    return { id: ++this.#producerIds, sequence: 0, value: 0, partition, isWaiting: false };
  }
}
