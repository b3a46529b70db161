/**
 * Why a broker cannot be in its cluster. Main isolate.
 */

/** The broker cannot be in the cluster, or not any more. The message names the remedy. */
export class MembershipError extends Error {
  override name = "MembershipError";
}
