/**
 * Loads the parts that only a broker in a cluster uses. Main isolate: without this step every start would load them.
 */
import type * as parts from "./cluster_parts.ts";

/** The parts. */
export type ClusterParts = typeof parts;

/** Loads the parts. */
export function loadClusterParts(): Promise<ClusterParts> {
  return import("./cluster_parts.ts");
}
