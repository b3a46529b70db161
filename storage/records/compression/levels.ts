/** The levels at which the broker compresses batches, and the time that they take. Pure; any isolate. */

/** A level for each codec that has levels, as in Kafka's topic configs. */
export interface CompressionLevels {
  /** `compression.gzip.level`: 1 to 9, or -1 for the library's default */
  readonly gzip: number;
  /** `compression.lz4.level`: 9, the only one of the library, which is Kafka's default too */
  readonly lz4: number;
  /** `compression.zstd.level`: -131072 to 22 */
  readonly zstd: number;
}

/** Kafka's defaults. */
export const defaultLevels: CompressionLevels = Object.freeze({ gzip: -1, lz4: 9, zstd: 3 });

/** Time to compress one byte of records, in ns by codec, at the default levels (bench/compression_bench.ts). */
const PACK_NS_PER_BYTE: readonly number[] = [0.1, 16, 2, 2, 3];
const GZIP = 1;
const ZSTD = 4;
/** From here on each level of gzip searches twice as long as the one before: random text of two letters takes 26 ns a byte at 6, 1160 at 9. */
const GZIP_LEVEL = 6;
const GZIP_LEVEL_FACTOR = 2;
/** The same for zstd: the records of the bench take 3 ns a byte at level 3 and 300 at level 19, bad ones ten times that. */
const ZSTD_LEVEL = 3;
const ZSTD_LEVEL_FACTOR = 1.33;

/**
 * Estimates how long records take to compress. Records that are made to take long need up to ten times that.
 * @param codec 0 to 4 @returns in µs
 */
export function packUs(contentBytes: number, codec: number, levels: CompressionLevels): number {
  return contentBytes * (PACK_NS_PER_BYTE[codec] ?? 0) * levelFactor(codec, levels) / 1000;
}

function levelFactor(codec: number, levels: CompressionLevels): number {
  if (codec === GZIP) return GZIP_LEVEL_FACTOR ** Math.max(0, levels.gzip - GZIP_LEVEL);
  return codec === ZSTD ? ZSTD_LEVEL_FACTOR ** Math.max(0, levels.zstd - ZSTD_LEVEL) : 1;
}
