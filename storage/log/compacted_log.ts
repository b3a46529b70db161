/** A log as the cleaner sees it: what it needs to know, and the replacement of segments. Runs on the shard that owns the log. */
import type { Offset } from "../base/units.ts";
import type { LogConfig } from "./log_config.ts";
import type { LogResources } from "./log_resources.ts";
import type { LogOptions } from "./log_types.ts";
import type { ProducerState } from "./producers/producer_state.ts";
import type { ProducerStateManager } from "./producers/producer_state_manager.ts";
import { type ReplacedSegments, SegmentSwap } from "./segment_swap.ts";
import { Segment } from "../segments/segment.ts";
import type { SegmentList } from "../segments/segment_list.ts";

/** What it is made of. */
export interface CompactedLogParts {
  readonly options: LogOptions;
  readonly resources: LogResources;
  readonly segments: SegmentList;
  readonly producers: ProducerStateManager;
  readonly log: { readonly logStartOffset: Offset; readonly logEndOffset: Offset; readonly recoveryPoint: Offset };
}

/** The cleaner's side of a log. */
export class CompactedLog {
  readonly #parts: CompactedLogParts;

  /** @param parts of the log */
  constructor(parts: CompactedLogParts) {
    this.#parts = parts;
  }

  /** The partition's directory. */
  get directory(): string {
    return this.#parts.options.directory;
  }

  /** All segments, the oldest first; the last one is active. */
  get segments(): readonly Segment[] {
    return this.#parts.segments.all;
  }

  /** The known producers. */
  get producers(): ProducerState {
    return this.#parts.producers.state;
  }

  /** First offset that is served. */
  get logStartOffset(): Offset {
    return this.#parts.log.logStartOffset;
  }

  /** Offset that the next record gets. */
  get logEndOffset(): Offset {
    return this.#parts.log.logEndOffset;
  }

  /** All records below it are durable. */
  get recoveryPoint(): Offset {
    return this.#parts.log.recoveryPoint;
  }

  /**
   * Begins to put compacted segments in the place of those that they were made of. Until it is done, no segment may be deleted.
   * @param config of the topic
   * @returns null when the log does not have these segments any more
   */
  replaceSegments(replacements: readonly ReplacedSegments[], config: LogConfig): SegmentSwap | null {
    const { options: { fs, directory, random = Math.random }, resources, segments, producers } = this.#parts;
    const place = { fs, resources, directory, config, random };
    return SegmentSwap.begin(replacements, {
      fs,
      directory,
      segments,
      newSegment: (baseOffset) => new Segment(place, baseOffset),
      onRemoved: (baseOffset) => producers.snapshots.remove(baseOffset),
    });
  }
}
