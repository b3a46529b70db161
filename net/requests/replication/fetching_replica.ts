/**
 * Who a fetch comes from: a consumer, a follower, or somebody who says that he is one. Only the broker that the connection has proved to be
 * counts as a follower, because its fetches acknowledge records. Pure; runs on shards. Source: KIP-903, cluster.md.
 */
import type { FetchRequest } from "../../protocol/messages/01_fetch.ts";
import type { ConnectionContext } from "../connection_context.ts";

/** A follower. */
export interface FetchingReplica {
  readonly replica: number;
  /** Epoch of its process's registration. */
  readonly brokerEpoch: number;
}

/** The replica that a fetch names; null for a consumer. */
export function claimedReplica({ replicaId, replicaState }: FetchRequest): FetchingReplica | null {
  if (replicaState.replicaId >= 0) return { replica: replicaState.replicaId, brokerEpoch: replicaState.replicaEpoch };
  return replicaId >= 0 ? { replica: replicaId, brokerEpoch: -1 } : null;
}

/** Whether the connection has proved to be that replica's broker. */
export function isProved({ replica }: FetchingReplica, { brokerId }: Pick<ConnectionContext, "brokerId">): boolean {
  return replica === brokerId;
}
