/**
 * Memory that TypeScript and the kernel both reach: bytes with a native address. The engine never moves it.
 * Whoever holds it owns it; another isolate may hold a second NativeMemory over the same SharedArrayBuffer. Any isolate.
 */
export interface NativeMemory {
  /** The bytes; may lie in a SharedArrayBuffer. */
  readonly bytes: Uint8Array;
  /** Big-endian access to the same bytes. */
  readonly view: DataView;
  /** Native address of `bytes[0]`; an exact integer (user space ends below 2^47). */
  readonly address: number;
}
