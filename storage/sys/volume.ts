/**
 * How much room the volume of a directory has, and of which type it is. Any isolate; the calls answer from the kernel's counters and
 * read no file.
 *
 *   struct statvfs   0 f_bsize   8 f_frsize   16 f_blocks   24 f_bfree   32 f_bavail   …   (all unsigned long, in glibc on 64 bits)
 *   struct statfs    0 f_type   …   (a long)
 *
 * Source: man 3 statvfs, man 2 statfs; which of the counts are meant is Java's UnixFileStore, as in Kafka.
 */
import { libc } from "./libc.ts";

/** Sizes in bytes, exact to 2^53. */
export interface VolumeSpace {
  readonly totalBytes: number;
  /** Without the blocks that are kept for root. */
  readonly usableBytes: number;
}

const F_TYPE = 0;
const F_FRSIZE = 8;
const F_BLOCKS = 16;
const F_BAVAIL = 32;
/** More than either struct: 112 and 120 bytes. */
const STRUCT_BYTES = 256;

const encoder = new TextEncoder();

/** Asks for the room of the volume. @param path of a directory or file on it @returns null when the system refuses */
export function volumeSpace(path: string): VolumeSpace | null {
  const stat = new DataView(new ArrayBuffer(STRUCT_BYTES));
  if (libc.statvfs(encoder.encode(path + "\0"), new Uint8Array(stat.buffer)) !== 0) return null;
  const word = (at: number) => Number(stat.getBigUint64(at, true));
  const fragmentBytes = word(F_FRSIZE);
  return { totalBytes: word(F_BLOCKS) * fragmentBytes, usableBytes: word(F_BAVAIL) * fragmentBytes };
}

/**
 * File systems of local disks and of memory, by their magic numbers. What a killed process wrote to them stays in the page cache of this
 * kernel (ZFS: in its own cache). Network file systems (NFS, CIFS, 9p), FUSE, and those that are not known here may lose it: a
 * server or another process has a part of the data, and may end by itself.
 */
const localTypes: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext2, ext3, ext4"],
  [0x5846_5342, "XFS"],
  [0x9123_683e, "Btrfs"],
  [0xf2f5_2010, "F2FS"],
  [0xca45_1a4e, "bcachefs"],
  [0x2fc1_2fc1, "ZFS"],
  [0x0102_1994, "tmpfs"],
  [0x794c_7630, "overlayfs"], // its files lie on one of the others: a layer for writing cannot be NFS or CIFS
]);

/** Type of the file system on which a path lies. @returns its magic number, null when the system refuses */
export function volumeType(path: string): number | null {
  const stat = new DataView(new ArrayBuffer(STRUCT_BYTES));
  if (libc.statfs(encoder.encode(path + "\0"), new Uint8Array(stat.buffer)) !== 0) return null;
  return Number(BigInt.asUintN(32, stat.getBigUint64(F_TYPE, true)));
}

/** Whether a file system of this type keeps in memory what a killed process wrote. @param type from `volumeType()` */
export function keepsWritesOfKilled(type: number | null): boolean {
  return type !== null && localTypes.has(type);
}
