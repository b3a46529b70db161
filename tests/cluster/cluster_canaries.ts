/**
 * Mistakes that the cluster simulation has to find, most of them once made by Kafka or by clusters like it. Test code.
 */
import type { ClusterImage, Transaction } from "../../partitions/cluster/cluster_image.ts";
import { ControllerState, type RegistrationRequest } from "../../partitions/cluster/controller_state.ts";
import { type FollowerRules, followerRules } from "../../partitions/replication/follower_rules.ts";
import { type LeaderRules, leaderRules } from "../../partitions/replication/leader_rules.ts";
import type { Planted } from "./simulated_process.ts";

/** Registers a new process at once: it goes on leading in the epochs of the last one. */
class ForgivingController extends ControllerState {
  readonly #requests = new Map<number, RegistrationRequest>();

  override register(request: RegistrationRequest): boolean {
    this.#requests.set(request.broker, request);
    return false;
  }

  override decide(image: ClusterImage, nowMs: number): Transaction[] {
    const decided = super.decide(image, nowMs);
    for (const { broker, incarnation, directoryId, knownEpoch } of this.#requests.values()) {
      const entry = image.brokers.get(broker);
      if (entry === undefined || entry.brokerEpoch !== knownEpoch) continue;
      decided.push({
        subject: `registration ${broker}`,
        comparisons: [{ kind: "controller", version: this.epoch }],
        writes: [
          { kind: "registration", broker, incarnation, directoryId },
          { kind: "state", broker, state: entry.state },
        ],
      });
    }
    return decided;
  }
}

/** One mistake, and how it is found. */
export interface Canary {
  readonly mistake: string;
  readonly planted: Planted;
  /** Numbers of the invariants that it breaks (ClusterInvariants). */
  readonly breaks: string;
  /** The first seed to try, 1 where it is found soon: the rare ones take thousands of histories. */
  readonly firstSeed: number;
}

const leader = (rules: Partial<LeaderRules>): Planted => ({ rules: { rules: { ...leaderRules, ...rules } } });
const follower = (rules: Partial<FollowerRules>): Planted => ({
  rules: { followerRules: { ...followerRules, ...rules } },
});

const withoutComparing = (kind: string) => (transaction: Transaction): Transaction => ({
  ...transaction,
  comparisons: transaction.comparisons.filter((comparison) => comparison.kind !== kind),
});

/** The mistakes. */
export const canaries: readonly Canary[] = [
  {
    mistake: "a high watermark by the committed instead of the maximal ISR",
    planted: leader({ holdingBack: ({ committedIsr }) => committedIsr }),
    breaks: "5 4 1",
    firstSeed: 1,
  },
  {
    mistake: "an ISR that takes a follower in below the start of the leader epoch",
    planted: leader({ hasCommitted: ({ logEndOffset }, { highWatermark }) => logEndOffset >= highWatermark }),
    breaks: "5 4 1",
    firstSeed: 1,
  },
  {
    mistake: "a fetch of a former process that counts for the present one",
    planted: { ...leader({ lifeOf: (_sent, known) => known }), profile: "rebirths" },
    breaks: "5 4 1",
    firstSeed: 3_001,
  },
  {
    mistake: "an ISR that takes in a broker without comparing its state",
    planted: { leaderTransaction: withoutComparing("state") },
    breaks: "9",
    firstSeed: 1,
  },
  {
    mistake: "a change of the ISR that is rolled back on a conflict",
    planted: leader({ isOverOnConflict: () => true }),
    breaks: "6 5 4",
    firstSeed: 1,
  },
  {
    mistake: "a follower that cuts at its high watermark instead of by epoch",
    planted: follower({ truncationOffset: (_log, _diverging, highWatermark) => highWatermark }),
    breaks: "3 5 12",
    firstSeed: 1,
  },
  {
    mistake: "a diverging answer that moves the high watermark",
    planted: follower({ takesHighWatermarkOfDiverging: () => true }),
    breaks: "3",
    firstSeed: 1,
  },
  {
    mistake: "a follower that keeps what its leader has deleted without knowing that it is the same",
    planted: follower({ beginsAnew: () => false }),
    breaks: "L",
    firstSeed: 1,
  },
  {
    mistake: "an answer of another epoch or offset that is accepted",
    planted: follower({ isAnswerTo: () => true }),
    breaks: "3 12",
    firstSeed: 1,
  },
  {
    mistake: "a late answer that is recognized by offset and leader epoch alone",
    planted: follower({
      isAnswerTo: (place, answered) => place.offset === answered.offset && place.leaderEpoch === answered.leaderEpoch,
    }),
    breaks: "5 12",
    firstSeed: 10_501,
  },
  {
    mistake: "batches of a newer epoch that are appended",
    planted: { ...follower({ acceptsBatch: () => true }), sendsCutRecords: true, profile: "failovers" },
    breaks: "3",
    firstSeed: 16001,
  },
  {
    mistake: "a restart that continues its leader epoch",
    planted: { controller: ForgivingController },
    breaks: "2 3 5",
    firstSeed: 1,
  },
  {
    mistake: "an unclean start that stays eligible",
    planted: { claimsCleanStop: true },
    breaks: "5 1",
    firstSeed: 1,
  },
  {
    mistake: "a lower minimum ISR before the row has it",
    planted: leader({
      mayCommit: ({ committedIsr, minIsr, configuredMinIsr }) =>
        committedIsr.length >= Math.min(minIsr, configuredMinIsr),
    }),
    breaks: "7",
    firstSeed: 1,
  },
  {
    mistake: "an election decided by a stale read",
    planted: { controllerTransaction: withoutComparing("row") },
    breaks: "8",
    firstSeed: 1,
  },
  {
    mistake: "a fetch offset computed before the last write has ended",
    planted: follower({ waitsForWrite: () => false }),
    breaks: "3 5 12",
    firstSeed: 1,
  },
  {
    mistake: "producers that are not truncated with the log",
    planted: { keepsProducers: true },
    breaks: "10",
    firstSeed: 1,
  },
  {
    mistake: "a coordinator that answers after its resignation",
    planted: { answersAfterResignation: true },
    breaks: "11",
    firstSeed: 1,
  },
  {
    mistake: "a leader that keeps what it knew of its followers over an epoch that it missed",
    planted: { ...leader({ keepsProgress: () => true }), profile: "failovers" },
    breaks: "5 4 1",
    firstSeed: 7001,
  },
];
