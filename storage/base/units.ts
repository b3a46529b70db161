/**
 * Numbers that must not be mixed up. An offset numbers a record in a partition; a position is a byte place in a segment
 * file. Both are plain numbers at run time (exact up to 2^53); the brand exists for the compiler only. Bigint arithmetic measured 5 to 8
 * times slower. Any isolate.
 */

declare const brand: unique symbol;

/** Number of a record in a partition (0-based). */
export type Offset = number & { readonly [brand]: "Offset" };

/** Byte place in a segment file (0-based). */
export type FilePosition = number & { readonly [brand]: "FilePosition" };

/** Brands a number as an offset; negative values are Kafka's sentinels (-1 = none). */
export function toOffset(value: number): Offset {
  return value as Offset;
}

/** Brands a number as a position in a segment file. */
export function toFilePosition(value: number): FilePosition {
  return value as FilePosition;
}

/** Largest distance of an offset from its segment's base offset: an entry of an index holds it in 32 bits. */
export const RELATIVE_OFFSET_MAX = 0x7fff_ffff;

/** Kafka's "no offset" on the wire and in files. */
export const NO_OFFSET = toOffset(-1);

/** Kafka's "no timestamp" (RecordBatch.NO_TIMESTAMP). */
export const NO_TIMESTAMP = -1;
