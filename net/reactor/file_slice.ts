/** Records of a response that lie in a segment file, and how to return their lease. Plain data. Runs on shards. */
import type { RecordsPayload } from "../protocol/writer.ts";

/** A borrowed part of a segment file, as the records of a response. */
export interface FileSlice extends RecordsPayload {
  readonly fd: number;
  readonly position: number;
  /** Returns the lease. Called once. */
  release(): void;
}
