/**
 * Messages between the main isolate and a shard. Connections go through a ring instead
 * (connection_transfer.ts). Shards post nothing to each other. Plain data.
 */
import type {
  CleaningAnswer,
  CleaningNotice,
  CleaningRequest,
  ControlCallName,
  ControlFailure,
  ImageDelta,
  LogStoreDirectory,
  OpenedSoFar,
  PartitionFailure,
  RetentionEvent,
  SharedState,
} from "../../partitions/mod.ts";
import type { CodecAnswer, CodecWork, FlushOutcome, FlushRequest, FoundRecord, SearchWork } from "../../storage/mod.ts";
import type { SurveyPart } from "./metrics/shard_survey.ts";
import type { FileRange } from "./cold_reader.ts";
import type { ScramCredential } from "../protocol/scram/scram.ts";
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { LogLine } from "../../partitions/config/log_lines.ts";

/** The first message to a shard. */
export interface ShardStart {
  readonly type: "start";
  readonly shard: number;
  readonly state: SharedState;
  readonly config: BrokerConfig;
  readonly clusterId: string;
  /** The log directories, by the index that the image names. */
  readonly directories: readonly LogStoreDirectory[];
  /** Logs that the last broker did not know, by `partitionKey()`. */
  readonly unmarked: readonly string[];
  readonly listenerNames: readonly string[];
  /** By which other brokers of the cluster prove who they are; null without a secret of the cluster. */
  readonly brokerCredential: ScramCredential | null;
  /** Closed segments whose files the shard may keep open. */
  readonly warmSegmentsMax: number;
  /** File mappings that the shard may have. */
  readonly mappingsMax: number;
  /** Whether the operator is told what retention will remove before it begins. */
  readonly announcesRetention: boolean;
  /** Logs that each shard may open at the start, by shard. */
  readonly logsMax: readonly number[];
  /** The complete image. */
  readonly image: ImageDelta;
}

/** Main isolate to shard. Each message after the start is counted in the shard's `posted` word. */
export type ToShard =
  | ShardStart
  | { readonly type: "delta"; readonly sequence: number; readonly delta: ImageDelta }
  /** Hand a partition over to another shard. Answered by "applied"; the partition's row says whether the shard did it. */
  | { readonly type: "handOver"; readonly sequence: number; readonly slot: number }
  /** Close the active segment of a partition. Answered by "applied". */
  | { readonly type: "roll"; readonly sequence: number; readonly slot: number }
  | { readonly type: "reply"; readonly id: number; readonly result: unknown }
  | { readonly type: "flushed"; readonly id: number; readonly outcomes: readonly FlushOutcome[] }
  | { readonly type: "loaded"; readonly id: number }
  | { readonly type: "transcoded"; readonly id: number; readonly answer: CodecAnswer }
  /** Compaction: answered by "cleaning". */
  | { readonly type: "clean"; readonly id: number; readonly request: CleaningRequest }
  | { readonly type: "found"; readonly id: number; readonly record: FoundRecord }
  /** What do the metrics say of the shard? Answered by "surveyed". isFirst: begin anew, else the next part. */
  | { readonly type: "survey"; readonly id: number; readonly isFirst: boolean }
  /** There is no connection to another broker. Answers "connect", if no connection comes through the ring. */
  | { readonly type: "connectRefused"; readonly id: number }
  /** Close all connections and return what other shards lent. */
  | { readonly type: "drain" }
  /** Close all logs and end. At this point no shard borrows anything. */
  | { readonly type: "stop" };

/** Shard to main isolate. */
export type FromShard =
  /** How far the shard is with opening its logs. */
  | { readonly type: "progress"; readonly soFar: OpenedSoFar }
  /** isIntact: whether all logs could be opened, with nothing cut off. */
  | { readonly type: "ready"; readonly failures: readonly PartitionFailure[]; readonly isIntact: boolean }
  | { readonly type: "applied"; readonly sequence: number; readonly failures: readonly PartitionFailure[] }
  | { readonly type: "call"; readonly id: number; readonly name: ControlCallName; readonly args: unknown }
  /** For the operator. */
  | { readonly type: "line"; readonly line: LogLine }
  | { readonly type: "retention"; readonly event: RetentionEvent }
  /** A log went offline: a start must not believe the page cache. */
  | { readonly type: "cacheDoubtful" }
  /** Connections that ended, by the numbers of their transfers. */
  | { readonly type: "closed"; readonly peers: readonly number[] }
  /** Make these files durable; answered by "flushed", with an outcome for each request. */
  | {
    readonly type: "flush";
    readonly id: number;
    readonly requests: readonly Pick<FlushRequest, "fds" | "directories">[];
  }
  /** Start the flush worker of that log directory, unless it runs. */
  | { readonly type: "flushWorkerNeeded"; readonly directory: number }
  /** Unpack, check and pack a batch; answered by "transcoded". */
  | { readonly type: "transcode"; readonly id: number; readonly work: CodecWork }
  /** A rebuilt batch of that many bytes is not needed any more. */
  | { readonly type: "released"; readonly bytes: number }
  /** Search in a stored batch; answered by "found". */
  | { readonly type: "search"; readonly id: number; readonly work: SearchWork }
  /** Remove these files, and directories with all their content. */
  | { readonly type: "unlink"; readonly paths: readonly string[] }
  | { readonly type: "load"; readonly id: number; readonly range: FileRange }
  /** Bring these files, and the ends of those, into the page cache; answered by "loaded". */
  | {
    readonly type: "loadFiles";
    readonly id: number;
    readonly paths: readonly string[];
    readonly tails: readonly string[];
  }
  /** The answer to "clean". */
  | { readonly type: "cleaning"; readonly id: number; readonly answer: CleaningAnswer }
  | { readonly type: "surveyed"; readonly id: number; readonly part: SurveyPart }
  | { readonly type: "cleaningNotice"; readonly notice: CleaningNotice }
  /** Connect to another broker, and log in. The socket comes through the ring. */
  | { readonly type: "connect"; readonly id: number; readonly host: string; readonly port: number }
  | { readonly type: "drained" }
  /**
   * The last message: everything is closed. isClean: whether all logs were closed cleanly; lentFds: descriptors that other threads may use
   * yet, after a failure. The main isolate closes them.
   */
  | { readonly type: "stopped"; readonly isClean: boolean; readonly lentFds: readonly number[] };

/** Whether a control call failed instead of returning a result. */
export function isFailure(result: unknown): result is ControlFailure {
  return typeof result === "object" && result !== null && "failure" in result;
}
