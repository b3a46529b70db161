/**
 * How the end of a broker is told to the program that started it: what its operator can mend as a sentence, a bug with the place where it
 * happened. Main isolate.
 */
import { CheckpointError, LogDirectoryError, MetadataStoreError } from "../../partitions/control.ts";
import { HandoffError } from "../accept/handoff_check.ts";
import { ListenError } from "../accept/listening.ts";

/** The broker could not be started. The message is a sentence for the user that says what to do. */
export class StartupError extends Error {
  override name = "StartupError";
}

/**
 * The broker has stopped because its disk failed: it could not keep its metadata, or could not write its checkpoints when it closed. The
 * message is a sentence for the operator. (A full disk refuses single requests, and a failed log is offline alone.)
 */
export class DiskFailure extends Error {
  override name = "DiskFailure";
}

const diskErrors = [LogDirectoryError, MetadataStoreError, CheckpointError];
const startErrors = [...diskErrors, HandoffError, ListenError];

/** Why a broker did not start: errors that the user can fix become a StartupError; all others are bugs and stay as they are. */
export function startupFailure(error: unknown): unknown {
  const isKnown = startErrors.some((kind) => error instanceof kind);
  return isKnown ? new StartupError((error as Error).message, { cause: error }) : error;
}

/** Why a running broker ended: an error of the disk becomes a DiskFailure, another one stays as it is. */
export function runFailure(error: unknown): unknown {
  const isKnown = diskErrors.some((kind) => error instanceof kind);
  return isKnown ? new DiskFailure((error as Error).message, { cause: error }) : error;
}
