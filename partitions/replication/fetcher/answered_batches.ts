/**
 * The records of an answer, as the follower's state sees them: where they lie, and the first batch, which stands for all. One object for all
 * answers of a fetcher. Pure; shards.
 *
 * Whether a later batch is whole, sound and of an allowed epoch is checked when it is appended (storage/log/follower/follower_appends.ts).
 */
import { baseOffset, BATCH_STEP_BYTES, type NativeMemory, partitionLeaderEpoch } from "../../../storage/mod.ts";
import { NO_OFFSET, type Offset } from "../../../storage/base/units.ts";
import type { FetchAnswerReader } from "./fetch_answer.ts";
import type { AnsweredRecords } from "./followed_replica.ts";

/** The records. */
export class AnsweredBatches implements AnsweredRecords {
  readonly memory: NativeMemory;
  start = 0;
  length = 0;
  highWatermark = NO_OFFSET;
  logStartOffset = NO_OFFSET;

  /** @param memory that holds the answers */
  constructor(memory: NativeMemory) {
    this.memory = memory;
  }

  get slice(): this {
    return this;
  }

  /** 1 when there is the start of a batch, else 0. */
  get count(): number {
    return this.length < BATCH_STEP_BYTES ? 0 : 1;
  }

  epochOf(): number {
    return partitionLeaderEpoch(this.memory.view, this.start);
  }

  baseOffsetOf(): Offset {
    return baseOffset(this.memory.view, this.start);
  }

  /** Those of the partition that an answer stands at. */
  of({ recordsStart, recordsLength, highWatermark, logStartOffset }: FetchAnswerReader): this {
    this.start = recordsStart;
    this.length = recordsLength;
    this.highWatermark = highWatermark;
    this.logStartOffset = logStartOffset;
    return this;
  }
}
