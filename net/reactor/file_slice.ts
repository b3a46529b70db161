/** Records of a response that lie in a segment file. Plain data, and the way to give it back. Runs on shards. */
import type { RecordsPayload } from "../protocol/writer.ts";

/** A borrowed part of a segment file, as the records of a response. */
export interface FileSlice extends RecordsPayload {
  readonly fd: number;
  readonly position: number;
  /** Gives the lease back; called once. */
  release(): void;
}
