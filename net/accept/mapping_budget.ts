/**
 * How many mappings of files each shard may have. A process has a limit of mappings (vm.max_map_count), and at it the runtime gets no
 * memory either; so logs stay well below it, and do without a mapping where they have used up theirs (storage/segments/mapped_index.ts).
 * Main isolate.
 */

/** The kernel's default. Source: DEFAULT_MAX_MAP_COUNT of Linux. */
const MAPPINGS_MAX_UNKNOWN = 65_530;
/** Part of the limit that all logs together may use. */
const LOGS_SHARE = 1 / 2;

/** Divides the mappings. @param limit of the process @returns mappings of one shard's logs */
export function divideMappings(limit: number, shardsCount: number): number {
  return Math.floor(limit * LOGS_SHARE / shardsCount);
}

/** Reads the limit and divides it. */
export async function mappingsPerShard(shardsCount: number): Promise<number> {
  let limit = MAPPINGS_MAX_UNKNOWN;
  try {
    limit = Number(await Deno.readTextFile("/proc/sys/vm/max_map_count")) || MAPPINGS_MAX_UNKNOWN;
  } catch (error) {
    // Containers may hide it.
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  return divideMappings(limit, shardsCount);
}
