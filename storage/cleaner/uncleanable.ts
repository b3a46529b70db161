/** Why a sound log cannot be cleaned. Any isolate. */

/**
 * A log that cannot be cleaned although nothing in it is damaged: something exceeds a limit of the cleaner. It is served as before, and
 * grows. (Damage is a `LogDamagedError`.)
 */
export class UncleanableError extends Error {
  override name = "UncleanableError";
}
