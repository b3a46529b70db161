/**
 * Replaces small files atomically: a new file (`.tmp`) is written and flushed, then renamed over the old one, then the directory is
 * flushed. Runs on shards and at the start; atomic_file_async.ts has the same steps for the main isolate.
 *
 * Must always hold: after a crash the file has its complete old or its complete new content. A leftover `.tmp` means nothing.
 * Source: Kafka's Utils.atomicMoveWithFallback; rename(2).
 */
import type { FileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";
import { allocateNative } from "../sys/memory.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text of a small file. @returns null where there is none @throws the runtime's errors when the disk refuses */
export function readText(fs: FileSystem, path: string): string | null {
  const bytes = fs.readFile(path);
  return bytes === null ? null : decoder.decode(bytes);
}

/**
 * Replaces a file durably. A failure before the rename leaves the old content.
 * @param fs where the file is @param path of the file @param content its new bytes, or a text for UTF-8
 * @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function replaceFile(fs: FileSystem, path: string, content: Uint8Array | string): void {
  replace(fs, { path, bytes: bytesOf(content), isDurable: true });
  const directory = directoryOf(path);
  if (!fs.syncDirectory(directory)) throw new SystemError(`flush directory ${directory}`);
}

/**
 * Replaces a file without a flush. After a kill of the process it holds the old or the new content. After a loss of power it may
 * also hold a part of the new content followed by zeros, until file and directory are flushed.
 * @param fs where the file is @param path of the file @param content its new bytes, or a text for UTF-8
 * @throws SystemError, or the runtime's errors, when the disk refuses
 */
export function replaceFileUnflushed(fs: FileSystem, path: string, content: Uint8Array | string): void {
  replace(fs, { path, bytes: bytesOf(content), isDurable: false });
}

function replace(fs: FileSystem, file: { path: string; bytes: Uint8Array; isDurable: boolean }): void {
  const { path, bytes, isDurable } = file;
  const temporary = `${path}.tmp`;
  const memory = allocateNative(bytes.length);
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

function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? encoder.encode(content) : content;
}

/** The directory that a path's file is in. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, Math.max(slash, 1));
}
