/**
 * What a handler is: one API's behaviour on a shard. The router decodes the request, the handler asks the partitions or the control
 * plane and answers through the exchange, at once or on a later turn of the reactor. A handler cannot await: the reactor
 * holds the isolate, and promises do not run under it.
 */
import type { Clock, NativeMemory } from "../../storage/mod.ts";
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { MetadataImage } from "../../partitions/metadata/image.ts";
import type { GroupApis } from "../../partitions/coordinators/groups/group_apis.ts";
import type { CoordinatorAccess } from "../../partitions/coordinators/runtime/shard_coordinators.ts";
import type { ControlClient } from "../../partitions/metadata/control_calls.ts";
import type { Purgatory, ShardPartitions, WatermarkTable } from "../../partitions/mod.ts";
import type { ClusterView } from "./cluster_view.ts";
import type { Api } from "../protocol/api.ts";
import type { ConnectionContext } from "./connection_context.ts";
import type { QuotaKind } from "./quotas.ts";
import type { SlicedRequest, SliceRunner } from "./slices.ts";
import type { TopicWaits } from "./produce/topic_waits.ts";

/** One request and the way to answer it. Exactly one of `respond`, `respondNothing` and `close` ends it. */
export interface Exchange<Response> extends SlicedRequest {
  readonly apiVersion: number;
  readonly context: ConnectionContext;
  /** Counts what the request used, beside what the router knows: the answer tells the client how long to pause for it. */
  charge(kind: QuotaKind, amount: number): void;
  /** Answers; the throttle time is added. Responses leave in request order, whatever the order of these calls. */
  respond(response: Response): void;
  /** Ends a request that has no answer (acks=0). */
  respondNothing(): void;
  /** Closes the connection: what Kafka does where no error code can be told. @param reason for the log */
  close(reason: string): void;
  /**
   * Counts the memory of the request also when its client goes meanwhile: for who works on it elsewhere.
   * @returns ends that; called once
   */
  holdMemory(): () => void;
  /** Runs `drop` if the connection goes before the request ended, so that what waits is let go. */
  onAbandoned(drop: () => void): void;
}

/** What handlers may use on their shard. */
export interface ShardServices {
  readonly shard: number;
  readonly shardsCount: number;
  /** What this broker answers; ApiVersions lists it. */
  readonly apis: readonly Api[];
  readonly partitions: ShardPartitions;
  readonly purgatory: Purgatory;
  /** Runs what a request has to do with many partitions. */
  readonly slices: SliceRunner;
  readonly watermarks: WatermarkTable;
  /** Memory that requests lie in. */
  readonly arena: NativeMemory;
  readonly image: MetadataImage;
  readonly control: ControlClient;
  /** Requests that wait for topics. */
  readonly topicWaits: TopicWaits;
  /** The coordinators of groups, of this shard and of the others. */
  readonly groups: CoordinatorAccess<GroupApis>;
  readonly clock: Clock;
  /** A random number from 0 up to 1. */
  readonly random: () => number;
  /** This broker. */
  readonly nodeId: number;
  /** The brokers as clients see them. */
  readonly cluster: ClusterView;
  readonly config: BrokerConfig;
}
