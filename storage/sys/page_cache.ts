/**
 * Finds out by samples whether a range of a file is in the page cache, without waiting for a disk. Shards ask before they send.
 * Source: man 2 preadv2 (RWF_NOWAIT).
 */
import { libc, word64 } from "./libc.ts";
import { type NativeMemory, nativeMemory } from "./memory.ts";

const RWF_NOWAIT = 8;
/** The kernel reads ahead in windows of this size at least, so one resident page stands for its neighbours. */
const PROBE_BYTES = 128 * 1024;
/** struct iovec: void *iov_base, size_t iov_len; then a place for the probed byte. */
const PROBED_AT = 16;

const TWO_POW_32 = 0x1_0000_0000;

const scratch = nativeMemory(new ArrayBuffer(128));

function readNow(fd: number, to: { address: number; length: number }, position: number): number {
  const { view } = scratch;
  view.setUint32(0, to.address % TWO_POW_32, true);
  view.setUint32(4, Math.floor(to.address / TWO_POW_32), true);
  view.setUint32(8, to.length, true);
  return libc.preadv2(fd, word64(scratch.address), 1, word64(position), RWF_NOWAIT);
}

/**
 * Reads what the page cache holds.
 * @param place descriptor and position @param memory where it goes, from `start` on
 * @returns bytes read; fewer than `length`, or -1, where the read would wait for the disk or the file system cannot tell
 */
export function readResident(
  place: { fd: number; position: number },
  memory: NativeMemory,
  range: { start: number; length: number },
): number {
  return readNow(place.fd, { address: memory.address + range.start, length: range.length }, place.position);
}

/** Whether a range of a file can be sent without waiting for the disk, judged by samples of it. */
export function isResident(fd: number, position: number, length: number): boolean {
  const probe = { address: scratch.address + PROBED_AT, length: 1 };
  for (let at = position; at < position + length; at += PROBE_BYTES) if (readNow(fd, probe, at) !== 1) return false;
  return readNow(fd, probe, position + length - 1) === 1;
}

/** Whether a read at a position would wait for the disk; a read at the end of the file does not. */
export function isColdAt(fd: number, position: number): boolean {
  return readNow(fd, { address: scratch.address + PROBED_AT, length: 1 }, position) < 0;
}
