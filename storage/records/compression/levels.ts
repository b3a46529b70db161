/** The levels at which the broker compresses batches. Pure; any isolate. */

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
