/**
 * Follows other brokers on a shard: its fetchers, and their connections. Runs on shards of a broker that is one of several, which load it
 * before they open their logs (cluster_code.ts).
 */
import type { Arena, MetadataImage, ShardCounters, ShardPartitions } from "../../../partitions/mod.ts";
import type { BrokerConfig } from "../../../partitions/config/broker/broker_config.ts";
import { Fetchers } from "../../../partitions/replication/fetcher/fetchers.ts";
import type { Clock } from "../../../storage/mod.ts";
import { OutgoingConnections } from "../../reactor/outgoing_connections.ts";
import { REQUEST_BYTES_MAX } from "../../reactor/request_memory.ts";
import type { Shard } from "../../reactor/shard.ts";
import type { FromShard } from "../shard_messages.ts";

/** What it uses of its shard. */
export interface ShardFetchingParts {
  readonly config: BrokerConfig;
  readonly shard: Shard;
  readonly arena: Arena;
  readonly owned: ShardPartitions["owned"];
  readonly image: MetadataImage;
  readonly counters: ShardCounters;
  readonly clock: Clock;
  readonly post: (message: FromShard) => void;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** The fetchers of a shard. */
export interface ShardFetching {
  /** The main isolate cannot connect. @param id of the attempt */
  refused(id: number): void;
}

/** Begins to follow. */
export function startFetching(parts: ShardFetchingParts): ShardFetching {
  const { config, shard, arena, owned, image, counters, clock, post, report } = parts;
  const { replicaFetch, nodeId, interBrokerListenerName } = config;
  const outgoing = new OutgoingConnections({
    reactor: shard.reactor,
    tools: shard,
    // The first batch of an answer may be larger than all others together. It has come in one request.
    answerBytesMax: Math.min(replicaFetch.responseMaxBytes + config.socketRequestMaxBytes, REQUEST_BYTES_MAX),
    receiveBufferBytes: replicaFetch.receiveBufferBytes,
    report,
    ask: (id, { host, port }) => post({ type: "connect", id, host, port }),
  });
  const endpointOf = (broker: number) => {
    const advertised = image.brokers.get(broker)?.advertised ?? [];
    return advertised.find(({ name }) => name === interBrokerListenerName) ?? advertised[0] ?? null;
  };
  const fetchers = new Fetchers({
    settings: { ...replicaFetch, nodeId },
    memory: arena.memory,
    nowMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    brokerEpoch: () => image.brokers.get(nodeId)?.brokerEpoch ?? -1,
    endpointOf: (broker) => {
      const endpoint = endpointOf(broker);
      return endpoint === null ? null : `${endpoint.host}:${endpoint.port}`;
    },
    connect: (broker, owner) => {
      const endpoint = endpointOf(broker);
      return endpoint === null ? null : outgoing.connect(endpoint, owner);
    },
    onFetched: (bytes) => counters.add("replicationBytesIn", bytes),
    abortCleaning: (slot) => owned.cleanings.abort(slot),
    report,
  });
  owned.followed.use(fetchers);
  shard.setOutgoing({
    receive: (id, fd) => outgoing.receive(id, fd),
    close: () => {
      fetchers.stop();
      outgoing.close();
    },
  });
  return { refused: (id) => outgoing.refused(id) };
}
