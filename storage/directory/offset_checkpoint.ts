/**
 * Small files that are replaced as a whole, and Kafka's offset checkpoints in a log directory. Runs on shards and I/O
 * workers.
 *
 *   "0\n" · count "\n" · { topic " " partition " " offset "\n" }
 *   (recovery-point-offset-checkpoint, replication-offset-checkpoint, log-start-offset-checkpoint)
 *
 * Must always hold: after a crash a file has its old content or its new one, whole.
 * Source: Kafka's CheckpointFile and OffsetCheckpointFile; Utils.atomicMoveWithFallback.
 */
import { parseCheckpoint, wholeNumber } from "./checkpoint_format.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { nativeMemory } from "../sys/memory.ts";

/** Buffers below this size have no address. */
const NATIVE_BYTES_MIN = 128;
const INT32_MAX = 0x7fff_ffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Replaces a file durably: a file beside it (`.tmp`) is written and flushed, then renamed over it, then the directory is
 * flushed. A failure before the rename leaves the old content; a `.tmp` that stays behind means nothing.
 * @param fs where the file is @param path of the file @param bytes its new content
 * @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function writeAtomically(fs: FileSystem, path: string, bytes: Uint8Array): void {
  replace(fs, { path, bytes, isDurable: true });
  const directory = directoryOf(path);
  if (!fs.syncDirectory(directory)) throw new SystemError(`flush directory ${directory}`);
}

/**
 * Replaces a file atomically: after the process is killed it holds the old or the new content. After a loss of power it may also hold a
 * part of the new one with zeros behind, until file and directory are flushed.
 * @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function writeUnflushed(fs: FileSystem, path: string, bytes: Uint8Array): void {
  replace(fs, { path, bytes, isDurable: false });
}

function replace(fs: FileSystem, file: { path: string; bytes: Uint8Array; isDurable: boolean }): void {
  const { path, bytes, isDurable } = file;
  const temporary = `${path}.tmp`;
  const memory = nativeMemory(new ArrayBuffer(Math.max(NATIVE_BYTES_MIN, bytes.length)));
  memory.bytes.set(bytes);
  const fd = fs.open(temporary, { write: true, create: true, truncate: true });
  try {
    if (fs.pwrite(fd, memory, 0, bytes.length, 0) !== bytes.length) throw new SystemError(`write ${temporary}`);
    if (isDurable && !fs.fdatasync(fd)) throw new SystemError(`flush ${temporary}`);
  } finally {
    fs.close(fd);
  }
  fs.rename(temporary, path);
}

/** The directory that a path's file is in. */
function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, Math.max(slash, 1));
}

/** Text of a small file. @returns null where there is none @throws the runtime's errors when the disk refuses */
export function readText(fs: FileSystem, path: string): string | null {
  const bytes = fs.readFile(path);
  return bytes === null ? null : decoder.decode(bytes);
}

/** Replaces a file by a text, as `writeAtomically()` does. @throws as it does */
export function writeText(fs: FileSystem, path: string, text: string): void {
  writeAtomically(fs, path, encoder.encode(text));
}

/** Key of a partition in an offset checkpoint; topic names hold no space. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic} ${partition}`;
}

/**
 * Reads an offset checkpoint.
 * @param fs where it is @param path of the file
 * @returns offsets by `partitionKey()`, empty where there is no file; or a sentence about the damage
 * @throws the runtime's errors when the disk refuses
 */
export function readOffsetCheckpoint(fs: FileSystem, path: string): Map<string, number> | string {
  const lines = parseCheckpoint(readText(fs, path) ?? "");
  if (typeof lines === "string") return lines;
  const offsets = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const [topic, partitionText, offsetText, ...rest] = line.split(" ");
    const partition = wholeNumber(partitionText ?? "");
    const offset = wholeNumber(offsetText ?? "");
    if (!topic || partition < 0 || partition > INT32_MAX || offset < 0 || rest.length > 0) {
      return `entry ${index + 1} is no topic, partition and offset`;
    }
    offsets.set(partitionKey(topic, partition), offset);
  }
  if (offsets.size !== lines.length) return "it has two entries of one partition";
  return offsets;
}

/** Replaces an offset checkpoint. @param offsets by `partitionKey()` @throws as `writeAtomically()` does */
export function writeOffsetCheckpoint(fs: FileSystem, path: string, offsets: ReadonlyMap<string, number>): void {
  const lines = Array.from(offsets, ([key, offset]) => `${key} ${offset}\n`);
  writeText(fs, path, `0\n${lines.length}\n${lines.join("")}`);
}
