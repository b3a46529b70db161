/**
 * What the files of a broker say about compaction: Apache Kafka and Barnabas have the same ones. The benchmark's isolate reads them while
 * the broker works.
 *
 * Source: cleaner-offset-checkpoint of Kafka's LogCleanerManager; LogFileUtils for the names of segments.
 */
import { waitFor } from "../../peer/processes.ts";

/** The segments of a partition. */
export interface PartitionFiles {
  /** Base offset of the active segment. */
  readonly activeOffset: number;
  /** Number of segments. */
  readonly segments: number;
  /** Bytes of their .log files. */
  readonly logBytes: number;
}

/** Reads the segments of a partition. @param directory of the partition */
export async function partitionFiles(directory: string): Promise<PartitionFiles> {
  const found: PartitionFiles = { activeOffset: -1, segments: 0, logBytes: 0 };
  let { activeOffset, segments, logBytes } = found;
  for await (const { name } of Deno.readDir(directory)) {
    if (!/^\d{20}\.log$/.test(name)) continue;
    activeOffset = Math.max(activeOffset, Number(name.slice(0, 20)));
    segments++;
    logBytes += await bytesOf(`${directory}/${name}`);
  }
  return { activeOffset, segments, logBytes };
}

/** @returns 0 when the file was renamed or removed meanwhile */
async function bytesOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/**
 * The first offset of a partition that was not compacted, by the text of cleaner-offset-checkpoint.
 * @returns -1 when the partition is not in it
 */
export function cleanedTo(checkpoint: string, topic: string, partition: number): number {
  const [version, , ...lines] = checkpoint.split("\n");
  if (version !== "0") return -1;
  const line = lines.find((entry) => entry.startsWith(`${topic} ${partition} `));
  return line === undefined ? -1 : Number(line.split(" ")[2]);
}

/**
 * Waits until all closed segments of a partition are compacted.
 * @param dataDir of the broker
 * @returns the segments that are left
 */
export function untilCompacted(dataDir: string, topic: string, partition = 0): Promise<PartitionFiles> {
  return waitFor(`${topic}-${partition} is compacted`, async () => {
    const files = await partitionFiles(`${dataDir}/${topic}-${partition}`);
    const checkpoint = await Deno.readTextFile(`${dataDir}/cleaner-offset-checkpoint`); // a throw: not yet
    return files.activeOffset > 0 && cleanedTo(checkpoint, topic, partition) >= files.activeOffset ? files : undefined;
  }, COMPACTED_MAX_MS);
}

const COMPACTED_MAX_MS = 600_000;
