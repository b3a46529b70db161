/**
 * Gives large memory back without waiting for the garbage collector, which counts objects rather than the bytes behind them: a codec that
 * makes 4 MiB a call would hold hundreds of megabytes before it runs. Pure; any isolate.
 */

/**
 * Frees the memory behind bytes. They, and all other views of their buffer, are empty afterwards.
 * @param bytes the whole of a buffer; nothing happens where they are a part of one, which others may use
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  const isWhole = buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength === bytes.length;
  if (isWhole) buffer.transfer(0);
}
