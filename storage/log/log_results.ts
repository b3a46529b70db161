/** Builders of the results of a log, so that each kind has one shape. Any isolate. */
import { NO_OFFSET, type Offset } from "../base/units.ts";
import type { AppendRefusal, AppendResult, ReadRefusal, ReadResult } from "./log_types.ts";

/** A write that came back short leaves no errno, and the cut that follows it overwrites any. */
export const DISK_REFUSED =
  "the disk took only a part of the batch; it is full, or a quota or limit is reached: free some space";

/** A batch that was not appended. @param recordIndex which record is to blame, -1 for the whole batch */
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

/** A batch that is in the log. @param appendTimeMs -1 unless the topic stamps it */
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

/** A read that cannot be served. */
export function refusedRead(refusal: ReadRefusal, message: string): ReadResult {
  return { refusal, message, slice: null };
}

/** A read at an offset where nothing is visible yet. */
export const nothingVisible: ReadResult = Object.freeze({ refusal: null, message: "", slice: null });
