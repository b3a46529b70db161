/** What a shard says of itself when somebody asks for the metrics. Plain data that crosses isolates. */
import type { SurveyedGroups } from "../../../partitions/mod.ts";

/** An API of the broker. */
export interface SurveyedApi {
  readonly key: number;
  readonly name: string;
}

/** Numbers of one shard. */
export interface ShardNumbers {
  /** V8's heap, in bytes. */
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  /** Memory of V8's objects outside its heap, without what isolates share. */
  readonly externalBytes: number;
  /** Blocks of the arena that requests and answers hold. */
  readonly arenaUsedBytes: number;
  /** Unsent answers, a part of them in the arena. */
  readonly answerBytes: number;
  /** Requests without an answer, and answers that wait for earlier ones. */
  readonly requestBytes: number;
  /** Decoded requests on the heap. */
  readonly weightBytes: number;
  /** Operations that wait with a deadline, by the names of Kafka's purgatories. */
  readonly waiting: Readonly<Record<string, number>>;
  /** Requests that are cut into slices, and operations that wait for another thread or shard. */
  readonly operationsInFlight: number;
  readonly connections: number;
  readonly fetchSessions: number;
  readonly fetchSessionPartitions: number;
  readonly fetchSessionsEvicted: number;
  /** Slices of files that were not in the page cache when they were to be sent; sent with sendfile; copied. */
  readonly coldSlices: number;
  readonly sentSlices: number;
  readonly copiedSlices: number;
}

/** Words of a log in `SurveyPart.logs`: its row in the watermark table, bytes of its `.log` files, segments. */
export const LOG_WORDS = 3;

/** A part of the answer. */
export interface SurveyPart {
  /** With the first part alone. */
  readonly numbers: ShardNumbers | null;
  readonly apis: readonly SurveyedApi[];
  /** `LOG_WORDS` numbers for each log. */
  readonly logs: Float64Array;
  /** With the last part alone. */
  readonly groups: SurveyedGroups | null;
}
