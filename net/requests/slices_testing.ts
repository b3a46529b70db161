/** Runs requests to their end at once. Tests only. */
import type { SlicedWork, SliceRunner } from "./slices.ts";

/** Takes no heed of time. */
export const allAtOnce: SliceRunner = { run: finish, resume: finish, later: finish };

function finish(work: SlicedWork): void {
  while (work.step());
  work.finish();
}
