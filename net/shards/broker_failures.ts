/**
 * How the end of a broker is told to the program that started it: what its operator can mend as a sentence, a bug with the place where it
 * happened. Main isolate.
 */
import { CheckpointError, LogDirectoryError, MembershipError, MetadataStoreError } from "../../partitions/control.ts";
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

/**
 * The broker has left its cluster, because another process has its place, or because its etcd must not be used any more. The message is a
 * sentence for the operator.
 */
export class ClusterFailure extends Error {
  override name = "ClusterFailure";
}

const diskErrors = [LogDirectoryError, MetadataStoreError, CheckpointError];
const startErrors = [...diskErrors, MembershipError, HandoffError, ListenError, DiskFailure, ClusterFailure];

/** Why a broker did not start: errors that the user can fix become a StartupError; all others are bugs and stay as they are. */
export function startupFailure(error: unknown): unknown {
  const isKnown = startErrors.some((kind) => error instanceof kind);
  return isKnown ? new StartupError((error as Error).message, { cause: error }) : error;
}

/** Why a running broker ended: errors of the disk and of its cluster become failures with a sentence, another one stays as it is. */
export function runFailure(error: unknown): unknown {
  if (error instanceof MembershipError) return new ClusterFailure(error.message, { cause: error });
  const isKnown = diskErrors.some((kind) => error instanceof kind);
  return isKnown ? new DiskFailure((error as Error).message, { cause: error }) : error;
}
