/**
 * An answer as a frame: its size, its header and its body, with holes for slices of files. Runs on shards.
 *
 *     size int32 | response header | body … [hole: bytes of a slice] … body
 */
import { EncodeError, type RecordsPayload, type Writer } from "../protocol/writer.ts";
import type { FileSlice } from "../reactor/file_slice.ts";

/** A frame's size is an int32. */
const FRAME_BYTES_MAX = 0x7fff_ffff;
const SIZE_BYTES = 4;

/** Returns the leases of a response that will not be sent. */
export function releaseHoles(holes: readonly { payload: RecordsPayload }[]): void {
  for (const { payload } of holes) if (!(payload instanceof Uint8Array)) (payload as FileSlice).release();
}

/** Leaves room for the size. */
export function beginFrame(writer: Writer): void {
  writer.reset();
  writer.int32(0);
}

/**
 * Encodes the body behind the header, and sets the size, which includes the slices that fill the holes.
 * @returns null, or why the protocol cannot carry the answer: it repeats a client's overlong text, or it has too many bytes. The leases
 * of its slices have then been returned.
 */
export function completeFrame(writer: Writer, encodeBody: (writer: Writer) => void): string | null {
  try {
    encodeBody(writer);
  } catch (error) {
    if (!(error instanceof EncodeError)) throw error;
    releaseHoles(writer.holes);
    return error.message;
  }
  const size = writer.position - SIZE_BYTES + bytesOf(writer.holes);
  if (size > FRAME_BYTES_MAX) {
    releaseHoles(writer.holes);
    return `it has ${size} bytes, more than the protocol allows`;
  }
  writer.view.setInt32(0, size);
  return null;
}

function bytesOf(holes: readonly { payload: RecordsPayload }[]): number {
  let bytes = 0;
  for (const { payload } of holes) bytes += payload.byteLength;
  return bytes;
}
