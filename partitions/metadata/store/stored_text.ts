/**
 * Which keys and values a metadata store takes. Pure; the main isolate and the store's worker use it.
 */
import { assert } from "../../../storage/base/assert.ts";

/** Begins keys that a store keeps for itself. They sort behind all others. */
export const INTERNAL = "~";

/** Stops the isolate when a key or value is not fit for every store. */
export function assertStorable(key: string, value: string): void {
  assert(
    /^[\x20-\x7d][\x20-\x7e]*$/.test(key),
    "keys of the metadata store are printable ASCII and do not begin with ~",
  );
  // SQLite ends texts at NUL, and UTF-8 cannot encode lone surrogates. JSON contains neither.
  assert(!value.includes("\0") && value.isWellFormed(), "values of the metadata store are whole text");
}
