/**
 * Memory that TypeScript and the kernel share: bytes with a native address. The engine never moves the backing store of a buffer of
 * at least 128 bytes. The isolate that allocates it owns it. Another isolate may view the same SharedArrayBuffer through its own
 * NativeMemory. Any isolate.
 */
import { isSupported, libc, word64 } from "./libc.ts";

/** Bytes and their native address. */
export interface NativeMemory {
  /** The bytes; they may lie in a SharedArrayBuffer. */
  readonly bytes: Uint8Array;
  /** Big-endian access to the same bytes. */
  readonly view: DataView;
  /** Native address of `bytes[0]`; an exact integer (user space ends below 2^47). 0 where the broker cannot run. */
  readonly address: number;
}

/** Buffers below this size may live inside the JavaScript heap, where they move. */
const NATIVE_BYTES_MIN = 128;

/**
 * Finds the native address of a buffer.
 * @param buffer at least 128 bytes long, so that the engine keeps it outside its heap
 */
export function nativeMemory(buffer: ArrayBuffer | SharedArrayBuffer): NativeMemory {
  if (buffer.byteLength < NATIVE_BYTES_MIN) {
    throw new RangeError(`${buffer.byteLength} bytes are too few to stay in place`);
  }
  const bytes = new Uint8Array(buffer);
  return { bytes, view: new DataView(buffer), address: isSupported ? addressOf(bytes) : 0 };
}

function addressOf(bytes: Uint8Array): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>)));
}

/** Allocates memory of this isolate alone. @param bytes least size; it has at least 128 */
export function allocateNative(bytes: number): NativeMemory {
  return nativeMemory(new ArrayBuffer(Math.max(bytes, NATIVE_BYTES_MIN)));
}

/**
 * Allocates shared memory; pages cost nothing before their first use.
 * @param byteLength size in bytes
 */
export function allocateShared(byteLength: number): NativeMemory & { readonly buffer: SharedArrayBuffer } {
  const buffer = new SharedArrayBuffer(byteLength);
  return { ...nativeMemory(buffer), buffer };
}

const SC_PAGESIZE = 30;
const MADV_DONTNEED = 4;

/** 4 KiB on x86-64; kernels for AArch64 are built with 4, 16 or 64 KiB. */
const PAGE_BYTES = isSupported ? libc.sysconf(SC_PAGESIZE) : 4096;

/**
 * The whole pages inside a range of addresses. madvise(2) rounds a length up to whole pages, so a range that ends inside a page
 * would discard its neighbour's bytes too.
 * @returns a length of 0 or less when there is none
 */
export function wholePages(address: number, length: number, pageBytes: number): { address: number; length: number } {
  const first = Math.ceil(address / pageBytes) * pageBytes;
  return { address: first, length: Math.floor((address + length) / pageBytes) * pageBytes - first };
}

/**
 * Returns the whole pages inside a range to the kernel; they read as zero afterwards.
 * @param memory the memory
 * @param range start and length in bytes; nothing may be using them
 */
export function discardPages(memory: NativeMemory, range: { start: number; length: number }): void {
  const pages = wholePages(memory.address + range.start, range.length, PAGE_BYTES);
  if (pages.length > 0) libc.madvise(word64(pages.address), word64(pages.length), MADV_DONTNEED);
}
