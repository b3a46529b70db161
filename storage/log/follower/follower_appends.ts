/**
 * Appends what a follower has fetched from its leader: whole batches, which keep their offsets, timestamps and leader epochs. Runs on the
 * shard that owns the log.
 *
 *   bytes ─► whole batch? ─► format, length ─► epoch not above the leader's ─► CRC ─► offsets ─► next batch
 *             no: end                           no: end
 *
 * Batches of one epoch that go to one segment are written together, as they are: one write for the batches of an answer, mostly.
 * Batches are taken as they are: control batches, those of transactions, those that compaction has emptied, and of any size.
 * A gap before or inside a batch is that of a compacted log. A batch that begins below the log end is refused.
 *
 * Must always hold: what was written before a refusal is in the log and counts. The bytes are not changed.
 * Source: Kafka's UnifiedLog.appendAsFollower, analyzeAndValidateRecords, trimInvalidBytes; KAFKA-18723.
 */
import { crc32c } from "../../records/crc32c.ts";
import * as batches from "../../records/record_batch.ts";
import { toOffset } from "../../base/units.ts";
import type { NativeMemory } from "../../sys/memory.ts";
import type { LogAppends } from "../log_appends.ts";

/**
 * Why a batch of the leader was not appended. "unexpected-offset": it begins below the log end; Kafka's UnexpectedAppendOffsetException.
 */
export type FollowerRefusal = "corrupt-batch" | "unsupported-format" | "unexpected-offset" | "log-offline";

/** What was fetched, and its circumstances. */
export interface FetchedBatches {
  /** The first byte. */
  readonly start: number;
  /** Bytes, of which the last batch may lack some. */
  readonly length: number;
  /** Epoch of the leader that the batches were fetched from. Batches of a later one belong to another fetch: they are left out. */
  readonly leaderEpoch: number;
  /** Wall-clock time in ms. */
  readonly nowMs: number;
}

/** The result of an append. Written is not durable. */
export interface FollowerAppend {
  /** Why the first batch that is not in the log was refused; null when none was. */
  readonly refusal: FollowerRefusal | null;
  /** Sentence for the refusal, else "". */
  readonly message: string;
  /** Bytes that were appended, and the number of their batches. */
  readonly bytes: number;
  readonly batchesCount: number;
  /** Whether batches were left out that have a later epoch than the leader. */
  readonly hasLaterEpoch: boolean;
}

/**
 * Appends batches, up to the first one that is incomplete, has a later epoch, or is refused.
 * @param appends of the log @param memory holds the batches
 */
export function appendBatches(appends: LogAppends, memory: NativeMemory, fetched: FetchedBatches): FollowerAppend {
  const { view } = memory;
  const { start, length, leaderEpoch, nowMs } = fetched;
  const end = start + length;
  const done = { bytes: 0, batchesCount: 0, hasLaterEpoch: false };
  const run = { start, bytes: 0, count: 0, nowMs };
  let nextOffset = appends.logEndOffset;
  const write = (): string | null => {
    const cause = run.count === 0 ? null : appends.appendReplicated(memory, run);
    if (cause === null) {
      done.bytes += run.bytes;
      done.batchesCount += run.count;
    }
    run.start += run.bytes;
    run.bytes = run.count = 0;
    return cause;
  };
  const refuse = (refusal: FollowerRefusal, cause: string): FollowerAppend => {
    const failure = write();
    const message = `Cannot append a batch of the leader at offset ${appends.logEndOffset}: ${failure ?? cause}`;
    return { ...done, refusal: failure === null ? refusal : "log-offline", message };
  };
  for (let at = start; end - at >= batches.BATCH_STEP_BYTES;) {
    const magic = batches.magic(view, at);
    if (magic !== batches.MAGIC_V2) return refuse("unsupported-format", `its format is v${magic}, not v2`);
    const bytes = batches.batchBytes(view, at);
    if (bytes < batches.BATCH_HEADER_BYTES) return refuse("corrupt-batch", `it has ${bytes} bytes`);
    if (bytes > end - at) break;
    if (batches.partitionLeaderEpoch(view, at) > leaderEpoch) {
      done.hasLaterEpoch = true;
      break;
    }
    const damage = damageOf(memory, at, bytes);
    if (damage !== null) return refuse("corrupt-batch", damage);
    const baseOffset = batches.baseOffset(view, at);
    if (baseOffset < nextOffset) return refuse("unexpected-offset", `it begins at offset ${baseOffset}`);
    if (run.count > 0 && !appends.continues(memory, at, run)) {
      const cause = write();
      if (cause !== null) return refuse("log-offline", cause);
    }
    nextOffset = toOffset(batches.lastOffset(view, at) + 1);
    run.bytes += bytes;
    run.count++;
    at += bytes;
  }
  const cause = write();
  return cause === null ? { ...done, refusal: null, message: "" } : refuse("log-offline", cause);
}

/** The result for batches of which none was appended. */
export function refusedFollowerAppend(refusal: FollowerRefusal, message: string): FollowerAppend {
  return { refusal, message, bytes: 0, batchesCount: 0, hasLaterEpoch: false };
}

/** What is wrong with a whole batch of format v2; null when it is sound. */
function damageOf({ view, bytes }: NativeMemory, at: number, length: number): string | null {
  const computed = crc32c(bytes, at + batches.CRC_COVERS_FROM, length - batches.CRC_COVERS_FROM);
  if (computed !== batches.storedCrc(view, at)) return "CRC-32C mismatch";
  const baseOffset = batches.baseOffset(view, at);
  const delta = batches.lastOffsetDelta(view, at);
  const isPossible = baseOffset >= 0 && delta >= 0 && Number.isSafeInteger(baseOffset + delta + 1);
  return isPossible ? null : `its offsets ${baseOffset} to ${baseOffset + delta} are impossible`;
}
