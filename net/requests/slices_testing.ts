/** Runs requests to their end at once. Tests only. */
import type { SlicedWork, SliceRunner } from "./slices.ts";

/** Runs without a time limit. */
export const allAtOnce: SliceRunner = { run: finish, resume: finish, resumeLater: finish };

function finish(work: SlicedWork): void {
  while (work.step());
  work.finish();
}
