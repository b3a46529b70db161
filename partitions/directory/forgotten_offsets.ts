/**
 * Removes lines from the checkpoints of a log directory before its logs are opened. Lines name topics, not their ids: those of a log that was
 * removed, or set aside, would be taken for lines about the log of a new topic that has its name. Main isolate.
 */
import { encodeOffsetCheckpoint, replaceFileAsync } from "../../storage/control.ts";
import type { FileSystem } from "../../storage/mod.ts";
import { HIGH_WATERMARKS_FILE, LOG_STARTS_FILE, readCheckpoint, RECOVERY_POINTS_FILE } from "./checkpoint_files.ts";

/**
 * Removes the lines of some partitions, durably. A damaged file stays: whoever reads it reports it.
 * @param keys by `partitionKey()` @throws Error of the runtime when the disk refuses
 */
export async function forgetOffsets(
  place: { fs: FileSystem; logDirectory: string },
  keys: ReadonlySet<string>,
): Promise<void> {
  for (const name of [RECOVERY_POINTS_FILE, HIGH_WATERMARKS_FILE, LOG_STARTS_FILE]) {
    const found = readCheckpoint(place, name);
    if (typeof found === "string") continue;
    const kept = [...found].filter(([key]) => !keys.has(key)).map(([key, offset]) => {
      const [topic = "", partition] = key.split(" ");
      return { topic, partition: Number(partition), offset };
    });
    if (kept.length < found.size) await replaceFileAsync(`${place.logDirectory}/${name}`, encodeOffsetCheckpoint(kept));
  }
}
