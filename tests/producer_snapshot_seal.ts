/** Corrects the checksum of changed producer snapshots, for tests of checks behind the checksum. Never part of the broker. */
import { crc32c } from "../storage/records/crc32c.ts";

/** Writes the correct CRC of a snapshot. @returns the same bytes */
export function sealSnapshot<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, crc32c(bytes, 6, bytes.length - 6));
  return bytes;
}
