/**
 * Who gets how many of the process's descriptors, so that clients can never take those that the logs need to roll a segment, to
 * write an index, a snapshot or a checkpoint. Plain data and arithmetic; the main isolate makes it.
 *
 *   0 ............ connectionsEnd ............... limit
 *   |  connections and files     |  files only   |
 *
 * Descriptors are given out lowest number first (storage/sys/descriptors.ts), so it is enough that no connection keeps one at or
 * above `connectionsEnd`: what lies above is the logs' alone, and they take lower ones as well while there are some.
 */
import { descriptorsMax } from "../storage/control.ts";

/** Part of the descriptors that is kept for files. */
const RESERVED_SHARE = 1 / 4;
/** Most descriptors that are kept for files: 8 shards with all the closed segments that they keep open. */
const RESERVED_MAX = 4096;
/** Descriptors of an open segment: its log and two indexes. */
const SEGMENT_DESCRIPTORS = 3;
/** What a shard needs at a time for flushes (four of two segments), a roll, a snapshot, a checkpoint. */
const WORKING_DESCRIPTORS = 32;
/** Part of the rest of the reserve that closed segments may keep open; what remains is for new partitions. */
const WARM_SHARE = 1 / 2;
/** Most closed segments that a shard keeps open; mappings are limited too (vm.max_map_count is 65530). */
const WARM_SEGMENTS_MAX = 256;

/** The shares. */
export interface DescriptorBudget {
  /** Descriptors that the process may have. */
  readonly limit: number;
  /** First number that no connection may keep. */
  readonly connectionsEnd: number;
  /** Closed segments that each shard may keep open. */
  readonly warmSegmentsMax: number;
}

/** Divides the descriptors. @param limit that the process may have open, Infinity for no limit */
export function divideDescriptors(limit: number, shardsCount: number): DescriptorBudget {
  const reserved = Math.min(RESERVED_MAX, Math.floor(limit * RESERVED_SHARE));
  const warm = Math.floor((reserved / shardsCount - WORKING_DESCRIPTORS) * WARM_SHARE / SEGMENT_DESCRIPTORS);
  return { limit, connectionsEnd: limit - reserved, warmSegmentsMax: Math.max(1, Math.min(WARM_SEGMENTS_MAX, warm)) };
}

/** Reads the process's limit and divides it. */
export async function descriptorBudget(shardsCount: number): Promise<DescriptorBudget> {
  return divideDescriptors(descriptorsMax(await Deno.readTextFile("/proc/self/limits")), shardsCount);
}
