/**
 * How many file mappings each shard may have. A process has a limit of mappings (vm.max_map_count), and at the limit the runtime
 * gets no memory either. Logs therefore stay well below it, and work without a mapping once their share is used up
 * (storage/segments/mapped_index.ts). Runs on the main isolate.
 */

/** The kernel's default. Source: DEFAULT_MAX_MAP_COUNT of Linux. */
const MAPPINGS_MAX_UNKNOWN = 65_530;
/** Share of the limit that all logs together may use. */
const LOGS_SHARE = 1 / 2;

/** Divides the mappings. @param limit of the process @returns mappings for the logs of one shard */
export function divideMappings(limit: number, shardsCount: number): number {
  return Math.floor(limit * LOGS_SHARE / shardsCount);
}

/** Reads the limit of the process and divides it. */
export async function mappingsPerShard(shardsCount: number): Promise<number> {
  let limit = MAPPINGS_MAX_UNKNOWN;
  try {
    limit = Number(await Deno.readTextFile("/proc/sys/vm/max_map_count")) || MAPPINGS_MAX_UNKNOWN;
  } catch (error) {
    // Containers may hide the file.
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied)) throw error;
  }
  return divideMappings(limit, shardsCount);
}
