/**
 * What a shard knows of leaders from its image: requests that only a partition's leader answers are refused at once when another broker
 * leads it, or none, and the answer names the leader (KIP-951). The partition's owner looks again, because a change of the image reaches
 * it a little later or earlier. Pure; runs on shards.
 * Source: Kafka's ReplicaManager.getPartitionOrError, Partition.checkCurrentLeaderEpoch, KafkaApis.getCurrentLeader.
 */
import type { PartitionImage } from "../../partitions/metadata/image.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type BrokerAddress, type ClientConnection, type ClusterView, NO_LEADER } from "./cluster_view.ts";

/** What the image says of a partition's leader, and of the replica on this broker. */
export type LedPartition = Pick<PartitionImage, "slot" | "directory" | "leader" | "leaderEpoch">;

/**
 * Why this broker refuses what only a leader does.
 * @param by node id of this broker, and the leader epoch that the client knows, -1 for no check (KIP-320)
 * @returns an error code; NONE when this broker leads the partition, and its owner has to look
 */
export function refuseUnled(
  { slot, directory, leader, leaderEpoch }: LedPartition,
  nodeId: number,
  currentLeaderEpoch: number,
): number {
  const isHere = slot >= 0;
  if (leader === nodeId && isHere) return errorCode.NONE;
  if (isHere && directory < 0) return errorCode.KAFKA_STORAGE_ERROR;
  // A broker without a replica knows no epoch to compare with.
  if (isHere && currentLeaderEpoch >= 0 && currentLeaderEpoch !== leaderEpoch) {
    return currentLeaderEpoch < leaderEpoch ? errorCode.FENCED_LEADER_EPOCH : errorCode.UNKNOWN_LEADER_EPOCH;
  }
  return errorCode.NOT_LEADER_OR_FOLLOWER;
}

/**
 * The last leader epoch in which no other broker can have stored what this one refuses now.
 * @param partition the refused batch's, undefined when there is none yet: new partitions begin with epoch 0
 * @returns null when another broker leads the partition, to which the producer will turn
 */
export function untilEpochOf(
  partition: Pick<PartitionImage, "leader" | "leaderEpoch"> | undefined,
  nodeId: number,
): number | null {
  if (partition === undefined) return 0;
  const { leader, leaderEpoch } = partition;
  if (leader === nodeId) return leaderEpoch;
  return leader === NO_LEADER ? leaderEpoch + 1 : null;
}

/** A leader as answers name it. */
class CurrentLeader {
  readonly leaderId: number;
  readonly leaderEpoch: number;

  constructor({ leader, leaderEpoch }: LedPartition) {
    this.leaderId = leader;
    this.leaderEpoch = leaderEpoch;
  }
}

/** The leaders that one answer names. */
export class CurrentLeaders {
  readonly #cluster: ClusterView;
  readonly #client: ClientConnection;
  readonly #endpoints = new Map<number, BrokerAddress>();

  /** @param client that gets the answer */
  constructor(cluster: ClusterView, client: ClientConnection) {
    this.#cluster = cluster;
    this.#client = client;
  }

  /** The leader of a partition. @returns undefined for a partition that does not exist */
  of(partition: LedPartition | undefined): CurrentLeader | undefined {
    if (partition === undefined) return undefined;
    const { leader } = partition;
    const address = this.#endpoints.has(leader) ? null : this.#cluster.addressOf(leader, this.#client);
    if (address !== null) this.#endpoints.set(leader, address);
    return new CurrentLeader(partition);
  }

  /** The addresses of these leaders, as far as the client can reach them. */
  get endpoints(): BrokerAddress[] {
    return [...this.#endpoints.values()];
  }
}
