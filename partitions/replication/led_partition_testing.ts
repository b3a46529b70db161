/**
 * What tests of a partition that leads with followers share: broker 1 leads it over a log in memory, the followers are those of the test, and
 * so are the outcomes of its proposals. Tests only.
 */
import { ManualClock } from "../../storage/base/clock.ts";
import { toOffset } from "../../storage/base/units.ts";
import type { LogConfig } from "../../storage/log/log_config.ts";
import type { BrokerState } from "../cluster/cluster_image.ts";
import type { PartitionRow } from "../cluster/partition_row.ts";
import type { RowOutcome, RowProposal } from "../cluster/row_proposals.ts";
import { type BrokerImage, type PartitionImage, type TopicImage } from "../metadata/image.ts";
import { LedReplicas } from "../owned/led_replicas.ts";
import { Fixture } from "../owned/partition_fixture_testing.ts";
import { topicOn } from "../owned/partition_testing.ts";
import type { LeaderRules } from "./leader_rules.ts";
import type { FollowerFetch } from "./leader_state.ts";

/** Leader epoch of the row. */
export const LEADER_EPOCH = 7;
/** replica.lag.time.max.ms */
export const LAG_MAX_MS = 30_000;

/** The row of a partition that broker 1 leads, with 2 and 3 in sync. */
export const ledRow: PartitionRow = {
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
  leader: 1,
  leaderEpoch: LEADER_EPOCH,
  partitionEpoch: 10,
  minIsr: 2,
  elr: [],
  lastKnownElr: [],
  recovering: false,
  adding: [],
  removing: [],
};

/** A topic whose only partition has a row. @param configs of the topic */
export function topicWith(row: PartitionRow, configs: Record<string, string> = {}): TopicImage {
  const topic = topicOn([0], { leader: row.leader, leaderEpoch: row.leaderEpoch });
  const { minIsr, recovering, adding, removing, ...shown } = row;
  const replication = row.replicas.length > 1 ? { minIsr, recovering, adding, removing } : undefined;
  return { ...topic, configs, partitions: topic.partitions.map((place) => ({ ...place, ...shown, replication })) };
}

/** A registered broker. */
export function brokerOf(nodeId: number, state: BrokerState = "active", life = 100): BrokerImage {
  const brokerEpoch = life + nodeId;
  return { nodeId, rack: null, state, advertised: [], directories: [], brokerEpoch, stateVersion: brokerEpoch + 1000 };
}

/** The fetch of a follower that has everything below an offset. */
export function fetchFrom(replica: number, offset: number): FollowerFetch {
  return {
    replica,
    brokerEpoch: brokerOf(replica).brokerEpoch as number,
    leaderEpoch: LEADER_EPOCH,
    lastFetchedEpoch: -1,
    offset: toOffset(offset),
    logStartOffset: toOffset(0),
  };
}

/** A led partition and its followers. */
export class LedFixture extends Fixture {
  readonly clock = new ManualClock();
  readonly sent: { readonly proposal: RowProposal; readonly ended: (outcome: RowOutcome) => void }[] = [];
  readonly led: LedReplicas;
  /** What was measured of the followers' lag. */
  readonly lags: number[] = [];
  brokers: ReadonlyMap<number, BrokerImage> = new Map([1, 2, 3].map((id) => [id, brokerOf(id)]));
  #minIsr = 2;

  constructor(row: PartitionRow = ledRow, config: Partial<LogConfig> = {}, rules?: LeaderRules) {
    super(config);
    this.led = new LedReplicas({
      lagMaxMs: LAG_MAX_MS,
      brokers: () => this.brokers,
      minIsrOf: () => this.#minIsr,
      publishLag: (records) => this.lags.push(records),
      change: (proposals, done) => {
        const outcomes: RowOutcome[] = [];
        for (const [index, proposal] of proposals.entries()) {
          this.sent.push({
            proposal,
            ended: (outcome) => {
              outcomes[index] = outcome;
              if (index === proposals.length - 1) done(outcomes);
            },
          });
        }
      },
    }, { nodeId: 1, clock: this.clock, rules });
    this.change(row);
  }

  /** The partition's row is another one. */
  change(row: PartitionRow, minIsr = this.#minIsr): void {
    this.#minIsr = minIsr;
    const topic = topicWith(row);
    const led = this.led.rowOf(topic, topic.partitions[0] as PartitionImage);
    const { leaderEpoch } = row;
    this.partition.update({ leads: row.leader === 1, leaderEpoch, config: this.config, led });
  }

  /** A follower fetches from its log end on. */
  fetch(replica: number, offset: number, changes: Partial<FollowerFetch> = {}): unknown {
    return this.partition.leader?.fetched({ ...fetchFrom(replica, offset), ...changes });
  }

  /** Time passes, and what is due runs. */
  pass(ms: number): void {
    this.clock.advance(ms);
    this.led.run(this.clock.monotonicMs());
  }

  /** The proposals since the last call. */
  takeSent(): LedFixture["sent"] {
    this.pass(5);
    return this.sent.splice(0);
  }
}
