/**
 * Fetch, API key 1: lends slices of the named partitions' logs to the response, or waits until there are enough bytes.
 *
 * v4 isolation level, v2 batches (KIP-98) · v5 log start offset · v7 sessions (KIP-227) · v9 current leader epoch (KIP-320) · v10 zstd ·
 * v11 rack id (KIP-392) · v12 flexible, last fetched epoch (KIP-595) · v13 topic ids (KIP-516) · v15 replica state · v16 node
 * endpoints (KIP-951) · v18 high watermark of the follower (KIP-1166).
 *
 * A response holds whole batches. Its first non-empty partition returns at least one, even one larger than the limits (KIP-74).
 * A fetch below `min_bytes` waits in the purgatory, where a partition's growth is counted without reading it again.
 *
 * A replica id is believed only of a connection that has proved to be of that broker (`brokerId` of its context). Whoever else names one gets
 * NOT_LEADER_OR_FOLLOWER for each partition, as from Kafka a broker that is no replica of it. A follower reads up to the log end, and by
 * its fetch acknowledges what lies below the offset (KIP-903).
 *
 * Not done: transactions (the last stable offset is the high watermark, and no batch is aborted), preferred read replicas, tiered
 * storage.
 */
import { api, type Handler } from "../requests/api.ts";
import { ActivePartitions } from "../requests/fetch/active_partitions.ts";
import { FetchOperation } from "../requests/fetch/fetch_operation.ts";
import { FetchSessions } from "../requests/fetch/fetch_sessions.ts";
import { claimedReplica, isProved } from "../requests/replication/fetching_replica.ts";
import type { ShardServices } from "../requests/handler.ts";
import { type FetchRequest, fetchRequest, type FetchResponse, fetchResponse } from "../protocol/messages/01_fetch.ts";

/** The row of Fetch. */
export const fetchApi = api({
  key: 1,
  name: "Fetch",
  served: [4, 18],
  request: fetchRequest,
  response: fetchResponse,
  handlerOf: fetchHandlerOf,
});

/** Shards of other brokers that follow partitions over connections of this shard, with what their broken connections leave. */
const FOLLOWER_SESSIONS_MAX = 1024;

/** Makes the handler of one shard, which remembers its share of the broker's incremental fetch sessions. */
function fetchHandlerOf(of: ShardServices): Handler<FetchRequest, FetchResponse> {
  const { config, shardsCount, random, purgatory, watermarks } = of;
  const sessions = new FetchSessions(Math.ceil(config.maxIncrementalFetchSessionCacheSlots / shardsCount), random);
  of.kept.fetchSessions = sessions;
  const followers = new FetchSessions(FOLLOWER_SESSIONS_MAX, random, {
    newActive: () => new ActivePartitions({ purgatory, watermarks }),
  });
  return (request, exchange, services) => {
    const replica = claimedReplica(request);
    const isFollower = replica !== null && isProved(replica, exchange.context);
    const cache = isFollower ? followers : sessions;
    const plan = cache.plan(request, exchange.apiVersion, services.clock.monotonicMs());
    if (plan.kind === "refused") {
      exchange.respond({ errorCode: plan.errorCode, sessionId: 0, responses: [] });
      return;
    }
    new FetchOperation(plan, { request, exchange, services, sessions: cache }).start();
  };
}
