/**
 * The partitions of a shard that this broker leads and others follow: what their leaders share, when they look for members that lag, and
 * the changes of rows that they want, which leave the shard together. Runs on the owning shard.
 *
 * Without such partitions nothing is due. Source: Kafka's ReplicaManager (isr-expiration), DefaultAlterPartitionManager.
 */
import { assert } from "../../storage/base/assert.ts";
import type { Clock } from "../../storage/mod.ts";
import type { RowOutcome, RowProposal } from "../cluster/row_proposals.ts";
import type { BrokerImage, PartitionImage, TopicImage } from "../metadata/image.ts";
import type { LeaderPartition, LeaderSurroundings, LedRow } from "../replication/leader_partition.ts";
import type { LeaderRules } from "../replication/leader_rules.ts";
import type { MemberEntry } from "../replication/leader_state.ts";

/** What replication needs around the partitions of a shard. */
export interface ReplicationParts {
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number;
  /** The brokers of the image: the same map until they change. */
  brokers(): ReadonlyMap<number, BrokerImage>;
  /** `min.insync.replicas` of a topic. */
  minIsrOf(topic: TopicImage): number;
  /** Has the main isolate change rows. @param done gets how each proposal ended, on a later turn */
  change(proposals: readonly RowProposal[], done: (outcomes: readonly RowOutcome[]) => void): void;
  /** How many records the follower lacks that is furthest behind. */
  publishLag?(records: number): void;
}

/** For a broker that is in no cluster. */
export const NO_REPLICATION: ReplicationParts = {
  lagMaxMs: Infinity,
  brokers: () => new Map(),
  minIsrOf: () => 1,
  change: (proposals) => assert(proposals.length === 0, "a lone broker has no followers"),
};

/** How often the lag of followers is measured. */
const LAG_MS = 1000;

/** A partition that was given to another broker, because the disk is full, is not given away again so soon: all disks may be full. */
const GIVE_UP_PAUSE_MS = 30_000;

/** Changes of rows are collected for this time: many followers catch up at once. */
const COLLECT_MS = 5;

/** The led partitions of one shard that have followers. */
export class LedReplicas implements LeaderSurroundings {
  readonly nodeId: number;
  readonly rules: LeaderRules | undefined;
  readonly #parts: ReplicationParts;
  readonly #clock: Clock;
  readonly #leaders = new Set<LeaderPartition>();
  /** When partitions were given up, by topic id and number. */
  readonly #givenUpMs = new Map<string, number>();
  #nextTickMs = Infinity;
  #nextLagMs = Infinity;
  #proposals: { readonly proposal: RowProposal; readonly ended: (outcome: RowOutcome) => void }[] = [];
  #sendsAtMs = Infinity;
  #knownBrokers: ReadonlyMap<number, BrokerImage> | null = null;
  #members = new Map<number, MemberEntry>();

  /** @param of node id of this broker, its clock, and for tests the rules of leaders */
  constructor(parts: ReplicationParts, of: { nodeId: number; clock: Clock; rules?: LeaderRules }) {
    this.rules = of.rules;
    this.#parts = parts;
    this.#clock = of.clock;
    this.nodeId = of.nodeId;
  }

  get lagMaxMs(): number {
    return this.#parts.lagMaxMs;
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    return Math.min(this.#nextTickMs, this.#nextLagMs, this.#sendsAtMs);
  }

  /** The row by which this broker leads a partition; null when it does not, or is its only replica. */
  rowOf(topic: TopicImage, place: PartitionImage): LedRow | null {
    const { replication, elr = [], lastKnownElr = [], adding = [], removing = [] } = place;
    if (replication === undefined || place.leader !== this.nodeId) return null;
    const { partition, replicas, isr, leader, leaderEpoch, partitionEpoch } = place;
    return {
      topicId: topic.id,
      partition,
      base: {
        row: {
          ...{ replicas, isr, leader, leaderEpoch, partitionEpoch },
          ...{ elr, lastKnownElr, adding, removing, ...replication },
        },
        version: partitionEpoch,
      },
      configuredMinIsr: this.#parts.minIsrOf(topic),
      surroundings: this,
    };
  }

  /** The brokers of the image are others: one that has become active may enter in-sync sets. */
  brokersChanged(): void {
    for (const leader of this.#leaders) leader.looked(false);
  }

  /** Runs what is due. @param nowMs monotonic time */
  run(nowMs: number): void {
    if (nowMs >= this.#nextTickMs) {
      this.#nextTickMs = nowMs + this.lagMaxMs / 2;
      for (const leader of this.#leaders) leader.looked(true);
    }
    if (nowMs >= this.#nextLagMs) this.#measureLag(nowMs);
    if (nowMs >= this.#sendsAtMs) this.#send();
  }

  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  broker(id: number): MemberEntry | null {
    const brokers = this.#parts.brokers();
    if (brokers !== this.#knownBrokers) {
      this.#knownBrokers = brokers;
      this.#members = new Map([...brokers].map(([nodeId, broker]) => [nodeId, memberOf(broker)]));
    }
    return this.#members.get(id) ?? null;
  }

  propose(proposal: RowProposal, ended: (outcome: RowOutcome) => void): void {
    this.#proposals.push({ proposal, ended });
    this.#sendsAtMs = Math.min(this.#sendsAtMs, this.nowMs() + COLLECT_MS);
  }

  mayGiveUp(topicId: string, partition: number): boolean {
    const nowMs = this.nowMs();
    for (const [key, atMs] of this.#givenUpMs) { // in the order of time
      if (nowMs - atMs < GIVE_UP_PAUSE_MS) break;
      this.#givenUpMs.delete(key);
    }
    const key = `${topicId}/${partition}`;
    if (this.#givenUpMs.has(key)) return false;
    this.#givenUpMs.set(key, nowMs);
    return true;
  }

  began(leader: LeaderPartition): void {
    this.#leaders.add(leader);
    this.#nextTickMs = Math.min(this.#nextTickMs, this.nowMs() + this.lagMaxMs / 2);
    if (this.#parts.publishLag !== undefined) this.#nextLagMs = Math.min(this.#nextLagMs, this.nowMs() + LAG_MS);
  }

  ended(leader: LeaderPartition): void {
    this.#leaders.delete(leader);
    if (this.#leaders.size > 0) return;
    this.#nextTickMs = this.#nextLagMs = Infinity;
    this.#parts.publishLag?.(0);
  }

  #measureLag(nowMs: number): void {
    let lag = 0;
    for (const leader of this.#leaders) lag = Math.max(lag, leader.followerLag);
    this.#parts.publishLag?.(lag);
    this.#nextLagMs = nowMs + LAG_MS;
  }

  #send(): void {
    const sent = this.#proposals;
    this.#proposals = [];
    this.#sendsAtMs = Infinity;
    this.#parts.change(sent.map(({ proposal }) => proposal), (outcomes) => {
      for (const [index, { ended }] of sent.entries()) ended(outcomes[index] ?? "unknown");
    });
  }
}

/** A broker that is in no cluster has no versions: nobody compares them. */
function memberOf({ state, stateVersion = 0, brokerEpoch = -1 }: BrokerImage): MemberEntry {
  return { state, stateVersion, brokerEpoch };
}
