/** Why a log of sound batches cannot be cleaned. Any isolate. */

/**
 * A log that cannot be cleaned although its batches are sound: something exceeds a limit of the cleaner, or an index of transactions,
 * which only the cleaner reads, is damaged. It is served as before, and grows. (Damaged batches are a `LogDamagedError`.)
 */
export class UncleanableError extends Error {
  override name = "UncleanableError";
}
