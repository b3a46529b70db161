/**
 * `partition.metadata`: the id of the topic that a partition's directory belongs to. Runs on the shard that opens it.
 *
 *   "version: 0\ntopic_id: " · 22 characters of base64url           (no newline at the end)
 *
 * Source: Kafka's PartitionMetadataFile, PartitionMetadata and PartitionMetadataReadBuffer.
 */
import { readText, replaceFileUnflushed } from "./atomic_file.ts";
import { LogDamagedError } from "../log/storage_failure.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { parseUuid, ZERO_UUID } from "../base/uuid.ts";

/** Name of the file. */
export const PARTITION_METADATA_FILE = "partition.metadata";
/** Later versions keep these two lines. */
const CONTENT = /^version:\s+\d+\r?\ntopic_id:\s+([A-Za-z0-9_=-]+)(?:\r?\n[^]*)?$/;

/** What a loss of power leaves of an unflushed file, without the zeros after it. */
const TORN = /^version: 0\ntopic_id: [A-Za-z0-9_-]{0,21}$/;
const BEGINNING = "version: 0\ntopic_id: ";

/**
 * Reads the topic id. A partly written file counts as missing. The file is flushed with the first records at the latest, so the
 * partition had no records that could be taken for another topic's.
 * @param fs where the directory is @param directory of the partition
 * @returns the id, or null where there is no such file
 * @throws LogDamagedError when the file holds no topic id @throws the runtime's errors when the disk refuses
 */
export function readPartitionMetadata(fs: FileSystem, directory: string): string | null {
  const text = readText(fs, `${directory}/${PARTITION_METADATA_FILE}`);
  if (text === null) return null;
  const id = parseUuid(CONTENT.exec(text)?.[1] ?? "");
  if (id !== null && id !== ZERO_UUID) return id;
  const written = text.replace(/\0+$/, "");
  if (BEGINNING.startsWith(written) || TORN.test(written)) return null;
  throw new LogDamagedError(
    `Cannot open ${directory}: ${PARTITION_METADATA_FILE} holds no topic id. Restore it; or, if the directory is that of the ` +
      `topic of its name, remove the file: the next start writes it anew`,
  );
}

/** Writes the topic id; it is durable when the file is flushed. @returns its path @throws as `replaceFileUnflushed()` does */
export function writePartitionMetadata(fs: FileSystem, directory: string, topicId: string): string {
  const path = `${directory}/${PARTITION_METADATA_FILE}`;
  replaceFileUnflushed(fs, path, `${BEGINNING}${topicId}`);
  return path;
}
