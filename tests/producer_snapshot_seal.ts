/** Makes changed producer snapshots consistent, for tests of what a checksum alone would hide. Never part of the broker. */
import { crc32c } from "../storage/records/crc32c.ts";

/** Makes the CRC of a snapshot right. @returns the same bytes */
export function sealSnapshot<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, crc32c(bytes, 6, bytes.length - 6));
  return bytes;
}
