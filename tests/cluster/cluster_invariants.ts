/**
 * What must always hold in the cluster simulation; the numbers are those of the design's table. Test code.
 *
 *   1 nothing committed is lost          2 one process appends in an epoch      3 logs match: same offset and epoch, same prefix
 *   4 one value at an offset             5 every candidate has all committed    6 the stored ISR is in its leader's maximal ISR
 *   7 no commit below the minimum ISR    8 epochs count the changes of a row    9 only active brokers enter an ISR or are elected
 *   10 no value twice; producers' state follows the log
 *   11 an answer OK is for a committed record of the same leadership            12 no follower cuts below its high watermark
 *
 * Records may be lost in two cases, and then a loss is no finding: as many brokers that had them as the minimum ISR has members have stopped
 * uncleanly since, or the topic allows unclean elections and there was one.
 */
import { strict as assert } from "node:assert";
import { NO_LEADER, type PartitionRow } from "../../partitions/cluster/partition_row.ts";
import type { LeaderState } from "../../partitions/replication/leader_state.ts";
import type { Entry, SimulatedLog } from "./simulated_log.ts";
import type { BrokerProcess, Checks, Replica, Waiter } from "./simulated_process.ts";
import type { SimulatedStore } from "./simulated_store.ts";

/** A record below some leader's high watermark. */
interface Committed {
  readonly entry: Entry;
  /** Lowest minimum ISR of the row since it was committed. */
  minIsr: number;
}

/** One partition as seen from outside. */
class PartitionHistory {
  committed: Committed[] = [];
  readonly offsetOfValue = new Map<number, number>();
  readonly writers = new Map<number, BrokerProcess>();
  readonly created = new Set<string>();
  /** Versions of the row with their minimum ISR. */
  readonly minimums: { readonly version: number; readonly minIsr: number }[] = [];
  /**
   * Brokers whose log lost records, with the process that ended so. Nobody counts on what they have until the next process is registered.
   */
  readonly suspects = new Map<number, number>();
  /** Whether committed records were lost, in a case that allows it. */
  hasLost = false;
  /** Whether there was an election that may lose any record. */
  isTainted = false;
}

/** What happened, to show that a run met what it is to meet. */
export interface Counts {
  appends: number;
  commits: number;
  acks: number;
  elections: number;
  eligibleElections: number;
  uncleanElections: number;
  truncations: number;
  shrinks: number;
  expansions: number;
  reassignments: number;
  losses: number;
}

/** The checks of one history. */
export class ClusterInvariants implements Checks {
  readonly counts: Counts;
  readonly #store: SimulatedStore;
  readonly #histories: PartitionHistory[];
  readonly #logs: readonly (readonly SimulatedLog[])[];
  readonly #leaders: (partition: number) => LeaderState | null;
  readonly #isUnclean: boolean;

  /** @param logs by partition, then by broker @param leaderOf state of the process that leads by the present row */
  constructor(
    store: SimulatedStore,
    logs: readonly (readonly SimulatedLog[])[],
    leaderOf: (partition: number) => LeaderState | null,
    { isUnclean, counts }: { isUnclean: boolean; counts: Counts },
  ) {
    this.#store = store;
    this.#logs = logs;
    this.#histories = logs.map(() => new PartitionHistory());
    this.#leaders = leaderOf;
    this.#isUnclean = isUnclean;
    this.counts = counts;
    store.onRow = (partition, row) => this.#row(Number(partition), row);
    store.onRegistration = (broker, incarnation) => this.#registered(broker, Number(incarnation));
  }

  /** Number of committed records. */
  committedEnd(partition: number): number {
    return this.#of(partition).committed.length;
  }

  /** The committed record at an offset, if any. */
  committedAt(partition: number, offset: number): Entry | undefined {
    return this.#of(partition).committed[offset]?.entry;
  }

  /** Whether records of the partition may be missing. */
  hasLost(partition: number): boolean {
    const history = this.#of(partition);
    return history.hasLost || history.isTainted;
  }

  /** An administrator elects a leader that may lack anything. */
  taint(partition: number): void {
    this.#of(partition).isTainted = true;
  }

  appendedByLeader(broker: BrokerProcess, partition: number, entry: Entry): void {
    const history = this.#of(partition);
    this.counts.appends++;
    const writer = history.writers.get(entry.epoch) ?? broker;
    history.writers.set(entry.epoch, broker);
    assert(writer === broker, `2: epoch ${entry.epoch} of partition ${partition} has two writers`);
    assert((entry.previous?.epoch ?? 0) <= entry.epoch, "2: epochs grow along the log");
    const place = `${entry.epoch} ${entry.offset}`;
    assert(!history.created.has(place), `3: a second record at epoch and offset ${place}`);
    history.created.add(place);
  }

  appendedByFollower(broker: BrokerProcess, partition: number, log: SimulatedLog, entry: Entry): void {
    const at = `broker ${broker.id}, partition ${partition}, offset ${entry.offset}`;
    assert.equal(entry.offset, log.entries.length, `3: a batch continues the log (${at})`);
    assert(log.isEmpty || entry.previous === log.last, `3: the same prefix (${at})`);
  }

  truncates(broker: BrokerProcess, replica: Replica, to: number): void {
    if (to >= replica.log.entries.length) return;
    this.counts.truncations++;
    const isAllowed = to >= replica.role.highWatermark || this.hasLost(replica.partition);
    assert(isAllowed, `12: broker ${broker.id} cuts at ${to}, below its high watermark ${replica.role.highWatermark}`);
  }

  /** A log changed by truncation, restart or copying. */
  changed(broker: BrokerProcess, replica: Replica): void {
    assert(replica.log.hasTrueProducers(), `10: producers of broker ${broker.id} follow the log`);
    this.#checkCandidates(replica.partition);
  }

  /** A follower's high watermark may have moved. */
  followed(broker: BrokerProcess, { partition, role, log }: Replica): void {
    if (role.leader !== null || this.hasLost(partition)) return;
    const { highWatermark } = role.follower;
    if (highWatermark === 0 || highWatermark <= log.logStartOffset) return;
    const last = this.committedAt(partition, highWatermark - 1);
    const isCommitted = last !== undefined && log.has(last);
    assert(isCommitted, `3: below high watermark ${highWatermark} of broker ${broker.id} all is committed`);
  }

  /** A replica begins to lead. */
  leads(broker: BrokerProcess, { partition, log }: Replica): void {
    const history = this.#of(partition);
    const { row } = this.#store.head.partitions.get(`${partition}`)!;
    const isPresent = row.leader === broker.id &&
      broker.image.partitions.get(`${partition}`)?.row.leaderEpoch === row.leaderEpoch;
    if (!isPresent || history.isTainted) return;
    this.#expectCommitted(partition, log, `1: the leader ${broker.id}`);
  }

  /** A leader's high watermark after an event. */
  highWatermarkOf(broker: BrokerProcess, replica: Replica, leader: LeaderState): void {
    const { highWatermark } = leader;
    const { partition, log, seenEpoch, seenHighWatermark } = replica;
    this.#checkMaximal(leader, this.#store.head.partitions.get(`${partition}`)!.row);
    const { leaderEpoch } = leader.base.row;
    replica.seenHighWatermark = highWatermark;
    replica.seenEpoch = leaderEpoch;
    if (seenEpoch === leaderEpoch && seenHighWatermark === highWatermark) return;
    assert(
      highWatermark >= seenHighWatermark || seenEpoch !== leaderEpoch,
      "4: a high watermark never falls in an epoch",
    );
    assert(highWatermark <= log.entries.length, "4: the high watermark is at most the log end");
    const history = this.#of(partition);
    if (seenEpoch === leaderEpoch) {
      const { row } = broker.image.partitions.get(`${partition}`)!;
      const committed = leader.base.version > broker.image.revision ? leader.base.row : row;
      assert(committed.isr.length >= committed.minIsr, `7: broker ${broker.id} commits with too few replicas`);
    }
    if (history.isTainted) return;
    for (let offset = history.committed.length; offset < highWatermark; offset++) {
      this.#commit(partition, log.entries[offset]!, leader);
    }
    if (highWatermark > 0) {
      const isSame = log.has(history.committed[highWatermark - 1]!.entry);
      assert(isSame, `4: two values at offset ${highWatermark - 1} of partition ${partition}`);
    }
    this.#checkCandidates(partition);
  }

  /** A record is acknowledged, or a commit answered. */
  answered(broker: BrokerProcess, { partition, role }: Replica, { entry, leaderEpoch }: Waiter): void {
    const history = this.#of(partition);
    this.counts.acks++;
    assert(
      role.leader?.base.row.leaderEpoch === leaderEpoch,
      `11: broker ${broker.id} answers for a leadership that ended`,
    );
    if (history.isTainted) return;
    assert(
      history.committed[entry.offset]?.entry === entry,
      `11: broker ${broker.id} acknowledges what is not committed`,
    );
  }

  /** A process ends without a clean stop. @param had entries that its logs had, by partition @param kept what is left of them */
  crashed({ id, identity }: BrokerProcess, had: readonly (readonly Entry[])[], kept: readonly number[]): void {
    for (const [partition, history] of this.#histories.entries()) {
      const entries = had[partition]!;
      for (const entry of entries) entry.crashes++;
      if (kept[partition]! < entries.length) history.suspects.set(id, Number(identity.incarnation));
    }
  }

  #row(partition: number, row: PartitionRow): void {
    const history = this.#of(partition);
    const last = this.#store.head.partitions.get(`${partition}`)?.row;
    const version = this.#store.history.length + 1;
    history.minimums.push({ version, minIsr: row.minIsr });
    for (const committed of history.committed) committed.minIsr = Math.min(committed.minIsr, row.minIsr);
    if (last === undefined) return;
    this.#checkRow(row, last);
    this.#checkEntrants(row, last);
    this.#count(row, last);
    const leader = this.#leaders(partition);
    if (leader !== null && row.leaderEpoch === last.leaderEpoch) this.#checkMaximal(leader, row);
    if (row.recovering && row.leaderEpoch !== last.leaderEpoch && row.leader !== NO_LEADER) {
      if (this.#isUnclean) history.isTainted = true;
      else if (!history.isTainted) {
        this.#expectCommitted(partition, this.#logs[partition]![row.leader]!, `1: the last known leader ${row.leader}`);
      }
    }
    this.#checkCandidates(partition, row);
  }

  /** A process whose logs may have lost their ends is registered: nobody counts on what the last one had. */
  #registered(broker: number, incarnation: number): void {
    for (const [partition, history] of this.#histories.entries()) {
      const ended = history.suspects.get(broker);
      if (ended === undefined || incarnation <= ended) continue;
      history.suspects.delete(broker);
      const { row } = this.#store.head.partitions.get(`${partition}`)!;
      const isFree = !row.isr.includes(broker) && !row.elr.includes(broker);
      assert(
        isFree || history.isTainted,
        `5: broker ${broker} is registered after an unclean stop: ${JSON.stringify(row)}`,
      );
    }
  }

  #checkMaximal({ base, maximalIsr }: LeaderState, stored: PartitionRow): void {
    if (base.row.leaderEpoch !== stored.leaderEpoch) return;
    const isKnown = stored.isr.every((broker) => maximalIsr.includes(broker));
    assert(isKnown, `6: the stored ISR ${stored.isr} is in its leader's maximal ISR ${maximalIsr}`);
  }

  #checkRow(row: PartitionRow, last: PartitionRow): void {
    const text = JSON.stringify(row);
    assert.equal(row.partitionEpoch, last.partitionEpoch + 1, `8: partition epoch of ${text}`);
    const isLeft = last.replicas.some((broker) => !row.replicas.includes(broker));
    const isNewEpoch = row.leaderEpoch === last.leaderEpoch + 1;
    assert(isNewEpoch || row.leaderEpoch === last.leaderEpoch, `8: leader epoch of ${text}`);
    assert(isNewEpoch || (row.leader === last.leader && !isLeft), `8: a new leader has a new epoch: ${text}`);
    assert(row.leader === NO_LEADER || row.isr.includes(row.leader), `6: the leader is in its ISR: ${text}`);
    assert([...row.isr, ...row.elr].every((broker) => row.replicas.includes(broker)), `6: only replicas: ${text}`);
    assert(!row.elr.some((broker) => row.isr.includes(broker)), `6: ISR and ELR share no broker: ${text}`);
    assert(row.elr.length === 0 || row.isr.length < row.minIsr, `6: an ELR only below the minimum: ${text}`);
  }

  #checkEntrants(row: PartitionRow, last: PartitionRow): void {
    const entrants = row.isr.filter((broker) => !last.isr.includes(broker));
    if (row.leader !== NO_LEADER && row.leader !== last.leader) entrants.push(row.leader);
    for (const broker of entrants) {
      const state = this.#store.head.brokers.get(broker)?.state;
      assert.equal(state, "active", `9: broker ${broker} enters the ISR or is elected: ${JSON.stringify(row)}`);
    }
  }

  #count(row: PartitionRow, last: PartitionRow): void {
    const { counts } = this;
    if (row.leaderEpoch !== last.leaderEpoch && row.leader !== NO_LEADER) counts.elections++;
    if (last.isr.length === 0 && last.elr.includes(row.leader)) counts.eligibleElections++;
    if (row.recovering && !last.recovering) counts.uncleanElections++;
    if (row.isr.length < last.isr.length) counts.shrinks++;
    if (row.isr.length > last.isr.length) counts.expansions++;
    if (row.removing.length < last.removing.length) counts.reassignments++;
  }

  #commit(partition: number, entry: Entry, leader: LeaderState): void {
    const history = this.#of(partition);
    const logs = this.#logs[partition]!;
    let { minIsr } = leader;
    for (let index = history.minimums.length - 1; index >= 0; index--) {
      const minimum = history.minimums[index]!;
      minIsr = Math.min(minIsr, minimum.minIsr);
      if (minimum.version <= leader.base.version) break;
    }
    this.counts.commits++;
    if (entry.producer >= 0) {
      const first = history.offsetOfValue.get(entry.value);
      const isKnown = first !== undefined && logs.every(({ logStartOffset }) => logStartOffset <= first);
      assert(!isKnown || history.hasLost, `10: value ${entry.value} is at ${first} and ${entry.offset}`);
      history.offsetOfValue.set(entry.value, entry.offset);
    }
    history.committed.push({ entry, minIsr });
  }

  /** Every member of the stored ISR and ELR has all that is committed, if its log is whole. */
  #checkCandidates(partition: number, row = this.#store.head.partitions.get(`${partition}`)!.row): void {
    const history = this.#of(partition);
    const last = history.committed.at(-1)?.entry;
    if (history.isTainted || last === undefined) return;
    for (const members of [row.isr, row.elr]) {
      for (const broker of members) {
        if (history.suspects.has(broker)) continue;
        const has = this.#logs[partition]![broker]!.has(last);
        assert(has, `5: broker ${broker} of ISR ${row.isr} and ELR ${row.elr} has all up to ${last.offset}`);
      }
    }
  }

  /** A log has all that is committed; what is missing had to be allowed to be lost. */
  #expectCommitted(partition: number, log: SimulatedLog, who: string): void {
    const history = this.#of(partition);
    const end = history.committed.findIndex(({ entry }) => !log.has(entry));
    if (end < 0) return;
    for (const { entry, minIsr } of history.committed.slice(end)) {
      const text = `${who} lacks offset ${entry.offset} after ${entry.crashes} unclean stops (minimum ${minIsr})`;
      assert(entry.crashes >= minIsr, text);
      history.offsetOfValue.delete(entry.value);
    }
    this.counts.losses++;
    history.hasLost = true;
    history.committed.length = end;
  }

  #of(partition: number): PartitionHistory {
    return this.#histories[partition] as PartitionHistory;
  }
}
