/** Where a segment lives. Types only. */
import type { SegmentConfig } from "../log/log_config.ts";
import type { LogResources } from "../log/log_resources.ts";
import type { FileSystem } from "../sys/file_system.ts";

/** Where a segment lives and the rules that it follows. */
export interface SegmentPlace {
  readonly fs: FileSystem;
  readonly resources: LogResources;
  readonly directory: string;
  readonly config: SegmentConfig;
  /** Uniform in [0, 1), for the roll jitter. */
  readonly random: () => number;
}
