/**
 * Entry module of a cleaner worker: compacts one log at a time. It reads closed segments by their names, which nobody changes meanwhile,
 * and writes new ones beside them; the shard that owns the log puts them in the place of the old ones (storage/log/segment_swap.ts).
 * It blocks in system calls, and looks for an abort between two pieces of work.
 */
/// <reference lib="deno.worker" />
import { LogDamagedError, storageFailure } from "../log/storage_failure.ts";
import { partitionFileName } from "../segments/segment_names.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import type { CleaningOrder, CleaningOutcome, ToCleaner } from "./cleaner_messages.ts";
import type { CleaningJob } from "../cleaner/cleaning_job.ts";
import { cleanLog } from "../cleaner/log_cleaning.ts";
import { Throttle } from "./throttle.ts";
import { UncleanableError } from "../cleaner/uncleanable.ts";

declare const self: DedicatedWorkerGlobalScope;

/** Work between two looks for a message, which cost a turn of the event loop. */
const LOOK_MS = 20;

let isAborted = false;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function jobOf(order: CleaningOrder): CleaningJob {
  const segments = order.segments.map((segment) => {
    const path = `${order.directory}/${partitionFileName(segment.baseOffset, ".log")}`;
    return { ...segment, modifiedMs: linuxFileSystem.modifiedMs(path) ?? 0 };
  });
  return { ...order, segments };
}

async function clean(order: CleaningOrder, bytesPerSecond: number): Promise<CleaningOutcome> {
  const throttle = new Throttle(bytesPerSecond, performance.now());
  let lookedMs = performance.now();
  using cleaning = cleanLog(jobOf(order), { fs: linuxFileSystem });
  while (cleaning.next()) {
    const nowMs = performance.now();
    const pauseMs = throttle.pauseMs(cleaning.bytesMoved, nowMs);
    if (pauseMs === 0 && nowMs - lookedMs < LOOK_MS) continue;
    await pause(pauseMs);
    lookedMs = performance.now();
    if (isAborted) return { kind: "aborted" };
  }
  return { kind: "cleaned", result: cleaning.result };
}

async function outcomeOf(order: CleaningOrder, bytesPerSecond: number): Promise<CleaningOutcome> {
  try {
    return await clean(order, bytesPerSecond);
  } catch (error) {
    if (error instanceof LogDamagedError) return { kind: "damaged", message: error.message };
    if (error instanceof UncleanableError) return { kind: "failed", message: error.message };
    return { kind: "refused", message: storageFailure(error) };
  }
}

self.onmessage = async ({ data }: MessageEvent<ToCleaner>) => {
  isAborted = data.type === "abort";
  if (data.type === "clean") self.postMessage(await outcomeOf(data.order, data.bytesPerSecond));
};
