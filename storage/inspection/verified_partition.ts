/**
 * Verifies the directory of one partition: its segments and how they follow each other, and the small files beside them. The main
 * isolate of `main.ts verify`; it writes nothing.
 */
import { readPartitionMetadata } from "../directory/partition_metadata.ts";
import { LEADER_EPOCHS_FILE } from "../log/epochs/leader_epoch_file.ts";
import { LeaderEpochTable } from "../log/epochs/leader_epoch_table.ts";
import { decodeProducerSnapshot } from "../log/producers/producer_snapshot_format.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import {
  parsePartitionFileName,
  type PartitionFileName,
  partitionFileName,
  SET_ASIDE_SUFFIX,
  SNAPSHOT_KIND,
  TEMPORARY_SUFFIX,
} from "../segments/segment_names.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { damage, note, type Report } from "./finding.ts";
import { type VerifiedSegment, verifySegment } from "./verified_segment.ts";

/** A partition to be verified. */
export interface PartitionToVerify {
  readonly directory: string;
  /** Offsets below it are known to be on the disk; Infinity after a clean stop. */
  readonly durableBelow: number;
}

/** What a partition holds. */
export interface VerifiedPartition extends Omit<VerifiedSegment, "endOffset"> {
  segments: number;
}

/** Verifies a partition. @throws SystemError, or the runtime's errors, when the disk refuses */
export function* verifyPartition(fs: FileSystem, partition: PartitionToVerify): Generator<Report, VerifiedPartition> {
  const { directory, durableBelow } = partition;
  const names = fs.list(directory).filter((entry) => !entry.isDirectory).map(({ name }) => name).toSorted();
  const files = names.flatMap((name) => parsePartitionFileName(name) ?? []);
  const baseOffsets = files.filter(({ kind, suffix }) => kind === ".log" && suffix === "").map(({ offset }) => offset);
  const sums: VerifiedPartition = { segments: baseOffsets.length, batches: 0, records: 0, bytes: 0 };
  yield* leftovers(directory, names, files);
  yield* smallFiles(fs, directory, files);
  let endOffset = 0;
  for (const [index, baseOffset] of baseOffsets.entries()) {
    if (baseOffset < endOffset) {
      const text = `it begins below offset ${endOffset}, where the segment before ends`;
      yield damage(`${directory}/${partitionFileName(baseOffset, ".log")}`, text);
    }
    const isActive = index === baseOffsets.length - 1;
    const found = yield* verifySegment(fs, { directory, baseOffset, isActive, durableBelow });
    endOffset = Math.max(endOffset, found.endOffset);
    sums.batches += found.batches;
    sums.records += found.records;
    sums.bytes += found.bytes;
  }
  if (Number.isFinite(durableBelow) && endOffset < durableBelow) {
    const text = `it ends at offset ${endOffset}, but records below offset ${durableBelow} were flushed: some are lost`;
    yield damage(directory, text);
  }
  return sums;
}

function* leftovers(
  directory: string,
  names: readonly string[],
  files: readonly PartitionFileName[],
): Generator<Report> {
  for (const { offset, kind, suffix } of files) {
    if (suffix === "") continue;
    const text = suffix === ".swap"
      ? "a compaction was not finished: the next start does so"
      : "the next start removes it";
    yield note(`${directory}/${partitionFileName(offset, kind)}${suffix}`, text);
  }
  for (const name of names) {
    if (name.endsWith(TEMPORARY_SUFFIX)) yield note(`${directory}/${name}`, "the next start removes it");
    if (name.includes(SET_ASIDE_SUFFIX)) {
      yield note(`${directory}/${name}`, "a recovery took it out of the log; only a person removes it");
    }
  }
}

function* smallFiles(fs: FileSystem, directory: string, files: readonly PartitionFileName[]): Generator<Report> {
  const epochs = fs.readFile(`${directory}/${LEADER_EPOCHS_FILE}`);
  if (epochs !== null && epochs.length > 0 && LeaderEpochTable.decode(new TextDecoder().decode(epochs)) === null) {
    yield damage(
      `${directory}/${LEADER_EPOCHS_FILE}`,
      "it is damaged: the next start writes it again from the batches",
    );
  }
  try {
    readPartitionMetadata(fs, directory);
  } catch (error) {
    if (!(error instanceof LogDamagedError)) throw error;
    yield damage(`${directory}/partition.metadata`, error.message);
  }
  const snapshots = files.filter(({ kind, suffix }) => kind === SNAPSHOT_KIND && suffix === "");
  for (const { offset } of snapshots) {
    const path = `${directory}/${partitionFileName(offset, SNAPSHOT_KIND)}`;
    const bytes = fs.readFile(path);
    if (bytes !== null && decodeProducerSnapshot(bytes) === null) {
      yield damage(path, "it is damaged: the next start reads an older one and the batches after it");
    }
  }
}
