/**
 * What a handler is: one API's behaviour on a shard. The router decodes the request. The handler asks the partitions or the control
 * plane, and answers through the exchange, at once or in a later turn of the reactor. A handler cannot await, because the reactor
 * holds the isolate and promises do not run under it.
 */
import type { Clock, NativeMemory } from "../../storage/mod.ts";
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { MetadataImage } from "../../partitions/metadata/image.ts";
import type { GroupApis } from "../../partitions/coordinators/groups/group_apis.ts";
import type { CoordinatorAccess } from "../../partitions/coordinators/runtime/shard_coordinators.ts";
import type { ControlClient } from "../../partitions/metadata/control_calls.ts";
import type { PartitionTraffic, Purgatory, ShardPartitions, WatermarkTable } from "../../partitions/mod.ts";
import type { Authentication } from "./authentication/authentication.ts";
import type { ClusterView } from "./cluster_view.ts";
import type { Api } from "../protocol/api.ts";
import type { ConnectionContext } from "./connection_context.ts";
import type { SlicedRequest, SliceRunner } from "./slices.ts";
import type { TopicWaits } from "./produce/topic_waits.ts";
import type { FetchSessions } from "./fetch/fetch_sessions.ts";
import type { NewLeaderships } from "./replication/new_leaderships.ts";

/** One request and the way to answer it. Exactly one of `respond`, `respondNothing` and `close` ends it. */
export interface Exchange<Response> extends SlicedRequest {
  readonly apiVersion: number;
  readonly context: ConnectionContext;
  /** Lets the client pause: the answer says so, and no further request of it is handled for that time. */
  throttle(pauseMs: number): void;
  /** Answers; the throttle time is added. Responses are sent in request order, whatever the order of these calls. */
  respond(response: Response): void;
  /** Ends a request that has no answer (acks=0). */
  respondNothing(): void;
  /** Closes the connection, as Kafka does where no error code fits. @param reason for the log */
  close(reason: string): void;
  /**
   * Keeps the memory of the request counted after its client has disconnected, for work that continues elsewhere.
   * @returns ends the count; called once
   */
  holdMemory(): () => void;
  /** Runs `drop` if the connection closes before the request has ended, to release what waits. */
  onAbandoned(drop: () => void): void;
}

/** What handlers keep between requests. */
export interface HandlersKept {
  /** Fetch sessions of clients. */
  fetchSessions: Pick<FetchSessions, "count" | "interestsCount" | "evictedCount"> | null;
}

/** Services of a shard that handlers may use. */
export interface ShardServices {
  readonly shard: number;
  readonly shardsCount: number;
  /** How clients prove who they are. */
  readonly authentication: Authentication;
  /** The APIs of this broker, which ApiVersions lists. */
  readonly apis: readonly Api[];
  readonly partitions: ShardPartitions;
  readonly purgatory: Purgatory;
  /** How long fetches of followers wait. */
  readonly newLeaderships: NewLeaderships;
  /** Runs the work of a request on many partitions. */
  readonly slices: SliceRunner;
  readonly watermarks: WatermarkTable;
  /** Counts what clients write and read. */
  readonly traffic: PartitionTraffic;
  /** What handlers keep and the metrics say: a handler adds it here. */
  readonly kept: HandlersKept;
  /** The memory that holds requests. */
  readonly arena: NativeMemory;
  readonly image: MetadataImage;
  readonly control: ControlClient;
  /** Requests that wait for topics to be created. */
  readonly topicWaits: TopicWaits;
  /** The coordinators of groups on all shards. */
  readonly groups: CoordinatorAccess<GroupApis>;
  readonly clock: Clock;
  /** A random number from 0 up to 1. */
  readonly random: () => number;
  /** Node id of this broker. */
  readonly nodeId: number;
  /** The brokers as clients see them. */
  readonly cluster: ClusterView;
  readonly config: BrokerConfig;
}
