/**
 * What the main isolate and a shard post to each other: everything but connections, which go through a ring
 * (connection_transfer.ts). Shards post nothing to each other. Plain data.
 */
import type { ControlCallName, ControlFailure, ImageDelta, SharedState } from "../../partitions/mod.ts";
import type { FlushOutcome } from "../../storage/mod.ts";
import type { FileRange } from "./cold_reader.ts";
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";

/** The first message to a shard. */
export interface ShardStart {
  readonly type: "start";
  readonly shard: number;
  readonly state: SharedState;
  readonly config: BrokerConfig;
  readonly clusterId: string;
  readonly logDirectory: string;
  /** Whether the directory was left by a clean stop. */
  readonly cleanShutdown: boolean;
  /** Logs of which that says nothing, by `partitionKey()`. */
  readonly unmarked: readonly string[];
  readonly listenerNames: readonly string[];
  /** Closed segments whose files the shard may keep open. */
  readonly warmSegmentsMax: number;
  /** Mappings of files that the shard may have. */
  readonly mappingsMax: number;
  /** Logs that each shard may open at the start, by shard. */
  readonly logsMax: readonly number[];
  /** The whole image. */
  readonly image: ImageDelta;
}

/** Main isolate to shard. Each one after the start is counted in the shard's `posted` word. */
export type ToShard =
  | ShardStart
  | { readonly type: "delta"; readonly sequence: number; readonly delta: ImageDelta }
  /** Hand a partition over to another shard; answered by "applied", and its row says whether it was. */
  | { readonly type: "handOver"; readonly sequence: number; readonly slot: number }
  | { readonly type: "reply"; readonly id: number; readonly result: unknown }
  | { readonly type: "flushed"; readonly id: number; readonly outcome: FlushOutcome }
  | { readonly type: "loaded"; readonly id: number }
  /** Close all connections and give back what other shards lent. */
  | { readonly type: "drain" }
  /** Close all logs and end; no shard borrows anything any more. */
  | { readonly type: "stop" };

/** Shard to main isolate. */
export type FromShard =
  | { readonly type: "ready"; readonly failures: readonly string[] }
  | { readonly type: "applied"; readonly sequence: number; readonly failures: readonly string[] }
  | { readonly type: "call"; readonly id: number; readonly name: ControlCallName; readonly args: unknown }
  | { readonly type: "warning"; readonly text: string }
  /** Connections that ended, by the numbers they came with. */
  | { readonly type: "closed"; readonly peers: readonly number[] }
  | {
    readonly type: "flush";
    readonly id: number;
    readonly fds: readonly number[];
    readonly directories: readonly string[];
  }
  /** Remove these files, and directories with all that is in them. */
  | { readonly type: "unlink"; readonly paths: readonly string[] }
  | { readonly type: "load"; readonly id: number; readonly range: FileRange }
  /** Bring these files into the page cache; answered by "loaded". */
  | { readonly type: "loadFiles"; readonly id: number; readonly paths: readonly string[] }
  | { readonly type: "drained" }
  /** The last message: nothing is open any more. Whether all logs were closed cleanly. */
  | { readonly type: "stopped"; readonly isClean: boolean };

/** Result of a control call that failed as such. */
export function isFailure(result: unknown): result is ControlFailure {
  return typeof result === "object" && result !== null && "failure" in result;
}
