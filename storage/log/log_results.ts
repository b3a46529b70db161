/** Builders of a log's results, so that results of one kind have the same shape. Any isolate. */
import { NO_OFFSET, type Offset } from "../base/units.ts";
import type { AppendRefusal, AppendResult, ReadRefusal, ReadResult } from "./log_types.ts";

/** A short write sets no errno, and the cut that follows it overwrites an older one. */
export const DISK_REFUSED =
  "the disk took only a part of the batch; it is full, or a quota or limit is reached: free some space";

/** The result for a batch that was not appended. @param recordIndex the refused record, -1 for the whole batch */
export function refusedAppend(refusal: AppendRefusal, message: string, recordIndex = -1): AppendResult {
  return {
    refusal,
    message,
    recordIndex,
    baseOffset: NO_OFFSET,
    lastOffset: NO_OFFSET,
    appendTimeMs: -1,
    duplicate: false,
  };
}

/** The result for a batch that is in the log. @param appendTimeMs -1 unless the topic stamps it */
export function acceptedAppend(baseOffset: Offset, lastOffset: Offset, appendTimeMs: number): AppendResult {
  return {
    refusal: null,
    message: "",
    recordIndex: -1,
    baseOffset,
    lastOffset,
    appendTimeMs,
    duplicate: false,
  };
}

/** The result of a read that cannot be served. */
export function refusedRead(refusal: ReadRefusal, message: string): ReadResult {
  return { refusal, message, slice: null };
}

/** The result of a read at an offset where nothing is visible yet. */
export const nothingVisible: ReadResult = Object.freeze({ refusal: null, message: "", slice: null });
