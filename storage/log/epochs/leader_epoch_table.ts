/**
 * Where each leader epoch of a log begins. Pure state; runs on the shard that owns the log.
 *
 *   "0\n" · count "\n" · { epoch " " startOffset "\n" }       (leader-epoch-checkpoint)
 *
 * Must always hold: epochs and start offsets both grow strictly.
 * Source: Kafka's LeaderEpochFileCache and LeaderEpochCheckpointFile; KIP-101, KIP-279.
 */
import { assert } from "../../base/assert.ts";
import { NO_OFFSET, type Offset, toOffset } from "../../base/units.ts";
import { encodeCheckpoint, parseCheckpoint, wholeNumber } from "../../directory/checkpoint_format.ts";

interface EpochStart {
  readonly epoch: number;
  readonly startOffset: Offset;
}

const NO_EPOCH = -1;
const INT32_MAX = 0x7fff_ffff;

/** The epochs of one log. */
export class LeaderEpochTable {
  #starts: EpochStart[] = [];

  /** The latest epoch, -1 for none. */
  get latest(): number {
    return this.#starts.at(-1)?.epoch ?? NO_EPOCH;
  }

  /** Number of known epochs. */
  get size(): number {
    return this.#starts.length;
  }

  /**
   * Begins an epoch. Entries that contradict it (an equal or larger epoch or start offset) are dropped, as in Kafka.
   * @returns whether anything changed; nothing does for the latest epoch at the same or a later offset
   */
  assign(epoch: number, startOffset: Offset): boolean {
    assert(epoch >= 0 && startOffset >= 0, "an epoch and its start are not negative");
    const latest = this.#starts.at(-1);
    if (latest !== undefined && latest.epoch === epoch && startOffset >= latest.startOffset) return false;
    this.#starts = this.#starts.filter((start) => start.epoch < epoch && start.startOffset < startOffset);
    this.#starts.push({ epoch, startOffset });
    return true;
  }

  /**
   * End of an epoch: the largest known epoch at most `requestedEpoch`, and where the next one begins.
   * @param requestedEpoch -1 for none @param logEndOffset end of the latest epoch
   * @returns epoch -1 and offset -1 when the requested epoch is later than all known ones
   */
  endOffsetFor(requestedEpoch: number, logEndOffset: Offset): { epoch: number; endOffset: Offset } {
    if (requestedEpoch === this.latest && requestedEpoch >= 0) {
      return { epoch: requestedEpoch, endOffset: logEndOffset };
    }
    const next = this.#starts.findIndex((start) => start.epoch > requestedEpoch);
    if (requestedEpoch < 0 || next < 0) return { epoch: NO_EPOCH, endOffset: NO_OFFSET };
    // An epoch before the first known one: its data was deleted, and a follower begins where the log does.
    const floor = this.#starts[next - 1]?.epoch ?? requestedEpoch;
    return { epoch: floor, endOffset: this.#starts[next]!.startOffset };
  }

  /** Epoch in which the record at an offset was appended, -1 when unknown. */
  epochFor(offset: Offset): number {
    return this.#starts.findLast((start) => start.startOffset <= offset)?.epoch ?? NO_EPOCH;
  }

  /** Drops epochs that begin at or after an offset. @returns whether anything changed */
  truncateFromEnd(offset: Offset): boolean {
    const kept = this.#starts.filter((start) => start.startOffset < offset);
    const changed = kept.length !== this.#starts.length;
    this.#starts = kept;
    return changed;
  }

  /** Drops epochs that end before an offset; the epoch that holds it begins there. @returns whether anything changed */
  truncateFromStart(offset: Offset): boolean {
    const floor = this.#starts.findLastIndex((start) => start.startOffset <= offset);
    if (floor < 0 || (floor === 0 && this.#starts[0]!.startOffset === offset)) return false;
    this.#starts = [{ epoch: this.#starts[floor]!.epoch, startOffset: offset }, ...this.#starts.slice(floor + 1)];
    return true;
  }

  /** Text of the file. */
  encode(): string {
    return encodeCheckpoint(this.#starts.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`));
  }

  /** Reads the text of the file. @returns null when it is damaged; an empty text has no epochs */
  static decode(text: string): LeaderEpochTable | null {
    const lines = parseCheckpoint(text);
    if (typeof lines === "string") return null;
    const epochs = new LeaderEpochTable();
    for (const line of lines) {
      const [epoch, startOffset, ...rest] = line.split(" ").map(wholeNumber);
      if (epoch === undefined || startOffset === undefined || rest.length > 0) return null;
      if (epoch < 0 || epoch > INT32_MAX || startOffset < 0 || epoch <= epochs.latest) return null;
      if (startOffset <= (epochs.#starts.at(-1)?.startOffset ?? -1)) return null;
      epochs.#starts.push({ epoch, startOffset: toOffset(startOffset) });
    }
    return epochs;
  }
}
