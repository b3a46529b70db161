/**
 * How much room the volume of a directory has. Any isolate; the call answers from the kernel's counters and reads no file.
 *
 *   struct statvfs   0 f_bsize   8 f_frsize   16 f_blocks   24 f_bfree   32 f_bavail   …   (all unsigned long, in glibc on 64 bits)
 *
 * Source: man 3 statvfs; which of the counts are meant is Java's UnixFileStore, as in Kafka.
 */
import { libc } from "./libc.ts";

/** Sizes in bytes, exact to 2^53. */
export interface VolumeSpace {
  readonly totalBytes: number;
  /** Without the blocks that are kept for root. */
  readonly usableBytes: number;
}

const F_FRSIZE = 8;
const F_BLOCKS = 16;
const F_BAVAIL = 32;
/** More than the struct's 112 bytes. */
const STATVFS_BYTES = 256;

const encoder = new TextEncoder();

/** Asks for the room of the volume. @param path of a directory or file on it @returns null when the system refuses */
export function volumeSpace(path: string): VolumeSpace | null {
  const stat = new DataView(new ArrayBuffer(STATVFS_BYTES));
  if (libc.statvfs(encoder.encode(path + "\0"), new Uint8Array(stat.buffer)) !== 0) return null;
  const word = (at: number) => Number(stat.getBigUint64(at, true));
  const fragmentBytes = word(F_FRSIZE);
  return { totalBytes: word(F_BLOCKS) * fragmentBytes, usableBytes: word(F_BAVAIL) * fragmentBytes };
}
