/**
 * Loads what only a broker that is one of several uses on its shards: what recognises other brokers, and what follows them. Shards.
 */
import type { AuthenticationOnDemand } from "../../requests/authentication/authentication.ts";
import type { ShardFetching, ShardFetchingParts } from "./shard_fetching.ts";
import type { ShardStart } from "../shard_messages.ts";

/** What it uses of its shard. */
export interface ClusterCodeParts extends ShardFetchingParts {
  readonly authentication: AuthenticationOnDemand;
}

/** Loads it. @returns the fetchers; null in a broker that is alone */
export async function loadClusterCode(
  { brokerCredential }: ShardStart,
  parts: ClusterCodeParts,
): Promise<ShardFetching | null> {
  if (brokerCredential === null) return null;
  const [{ BrokerAuthentication }, { startFetching }] = await Promise.all([
    import("../../requests/authentication/broker_authentication.ts"),
    import("./shard_fetching.ts"),
  ]);
  parts.authentication.use(new BrokerAuthentication(brokerCredential));
  return startFetching(parts);
}
