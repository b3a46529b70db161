/** One partition of a Fetch: what was asked, how it was read, and the answer. Runs on shards. */
import { emptyReadOutcome, errorCodeOf, type PartitionImage, type ReadOutcome } from "../../../partitions/mod.ts";
import { errorCode } from "../../protocol/error_codes.ts";
import type { FetchPartitionData } from "../../protocol/messages/01_fetch.ts";
import { plainConstructor } from "../../protocol/plain_constructor.ts";
import type { FetchInterest } from "./fetch_interest.ts";

/** One partition of a fetch. */
export interface FetchPart {
  readonly interest: FetchInterest;
  readonly place: PartitionImage | null;
  /** Why the partition is not read; NONE when it is. */
  readonly errorCode: number;
  readonly outcome: ReadOutcome;
}

/** The outcome of every partition that is not read. It is never written. */
const NOT_READ: ReadOutcome = emptyReadOutcome();

/** One for each partition of a request, so they are not made by literals (plain_constructor.ts). */
const Part = plainConstructor<FetchPart>()("interest", "place", "errorCode", "outcome");
/** A partition's answer. */
export const PartitionAnswer = plainConstructor<FetchPartitionData>()(
  "partitionIndex",
  "errorCode",
  "highWatermark",
  "lastStableOffset",
  "logStartOffset",
  "divergingEpoch",
  "abortedTransactions",
  "preferredReadReplica",
  "records",
  "currentLeader",
);

/** A part that is to be read, or that is refused with a code. */
export function fetchPart(interest: FetchInterest, place: PartitionImage | null, code: number): FetchPart {
  return new Part(interest, place, code, code === errorCode.NONE ? emptyReadOutcome() : NOT_READ);
}

/** The error code of a part. */
export function codeOf({ errorCode: code, outcome }: FetchPart): number {
  return code !== errorCode.NONE ? code : errorCodeOf(outcome.refusal);
}

/** Whether the client has to turn to another broker, or to learn of a new leader epoch. */
export function isUnled(part: FetchPart): boolean {
  const code = codeOf(part);
  return code === errorCode.NOT_LEADER_OR_FOLLOWER || code === errorCode.FENCED_LEADER_EPOCH;
}

/** Whether an incremental response names a partition: it has data or an error, or its watermarks moved. */
export function hasNews({ interest, outcome }: FetchPart, code: number): boolean {
  return outcome.length > 0 || code !== errorCode.NONE || outcome.divergingEpoch !== -1 ||
    outcome.highWatermark !== interest.lastHighWatermark || outcome.logStartOffset !== interest.lastLogStartOffset;
}

/** What an answer has for a partition beside its records, about. */
const PARTITION_BYTES = 64;

/** Bytes of the answer, about: what the quota of the client is charged with. @param kind an incremental one has only partitions with news */
export function answerBytes(parts: readonly FetchPart[], kind: "full" | "incremental"): number {
  const answered = kind === "full" ? parts : parts.filter((part) => hasNews(part, codeOf(part)));
  return answered.reduce((sum, { outcome }) => sum + PARTITION_BYTES + outcome.length, 0);
}
