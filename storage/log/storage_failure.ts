/**
 * Separates errors of the disk from our own. For the caller of a log, a disk's refusal is a value; an error of ours must stop the
 * shard. Any isolate.
 */
import { SystemError } from "../sys/libc.ts";

/** A log directory that cannot be served: damaged beyond what recovery repairs, or of a format that is not served. */
export class LogDamagedError extends Error {
  override name = "LogDamagedError";
}

/**
 * Text of an error that came from the operating system.
 * @param error what was caught
 * @returns its message
 * @throws the error itself when it came from anything else
 */
export function storageFailure(error: unknown): string {
  if (error instanceof SystemError) return error.message;
  // The runtime's own file calls: Deno.errors.*, and a plain Error with a code for what has no class (ENOSPC).
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.message;
  if (error instanceof Error && error.name in Deno.errors) return error.message;
  throw error;
}

/** Does something that the operating system may refuse. @returns the text of its refusal, or null @throws any other error */
export function attempt(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (error) {
    return storageFailure(error);
  }
}
