/**
 * The log of one partition of `__consumer_offsets`, as the coordinator writes it: batches of group records, appended by a call to the
 * shard's own partition. Runs on the shard that owns the partition.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { Clock } from "../../../../storage/mod.ts";
import type { Partition } from "../../../owned/partition.ts";
import type { Refusal } from "../../../requests/refusals.ts";
import type { GroupLog } from "../group_ports.ts";
import type { GroupRecord } from "../records/group_record.ts";
import type { GroupBatchBuilder } from "../records/record_set.ts";

/** Records in a batch, where they need not stay together. */
const PIECE_RECORDS_MAX = 500;

/** The log. */
export class OffsetsLog implements GroupLog {
  readonly #partition: Partition;
  readonly #builder: GroupBatchBuilder;
  readonly #clock: Clock;
  #appendedBatches = 0;

  /** @param partition owned by this shard @param parts the builder may be shared by all partitions of the shard */
  constructor(partition: Partition, parts: { builder: GroupBatchBuilder; clock: Clock }) {
    this.#partition = partition;
    this.#builder = parts.builder;
    this.#clock = parts.clock;
  }

  /** Batches that were appended. */
  get appendedBatches(): number {
    return this.#appendedBatches;
  }

  append(records: readonly GroupRecord[]): number {
    if (records.length === 0) return errorCode.NONE;
    const partition = this.#partition;
    if (!partition.isOpen) return errorCode.NOT_COORDINATOR;
    const { maxMessageBytes, segmentBytes } = partition.config;
    const nowMs = this.#clock.wallMs();
    const batchBytesMax = Math.min(maxMessageBytes, segmentBytes);
    const batch = this.#builder.build(records, { timestampMs: nowMs, batchBytesMax });
    if (batch === null) return errorCode.UNKNOWN_SERVER_ERROR;
    const { refusal } = partition.append(batch, nowMs);
    if (refusal !== null) return coordinatorCode(refusal);
    this.#appendedBatches++;
    return errorCode.NONE;
  }

  /**
   * Appends records that need not stay together, in several batches where they are many.
   * @param onAppended gets each part that is in the log @returns Kafka's code of the part that was refused and ended it, 0 for none
   */
  appendAll(records: readonly GroupRecord[], onAppended: (records: readonly GroupRecord[]) => void): number {
    for (let from = 0; from < records.length; from += PIECE_RECORDS_MAX) {
      const piece = records.slice(from, from + PIECE_RECORDS_MAX);
      const code = this.#appendPiece(piece, onAppended);
      if (code !== errorCode.NONE) return code;
    }
    return errorCode.NONE;
  }

  /** Appends a piece, or, where it is too large, its halves. */
  #appendPiece(piece: readonly GroupRecord[], onAppended: (records: readonly GroupRecord[]) => void): number {
    const code = this.append(piece);
    if (code === errorCode.NONE) onAppended(piece);
    if (code !== errorCode.UNKNOWN_SERVER_ERROR || piece.length === 1) return code;
    const half = piece.length >> 1;
    const first = this.#appendPiece(piece.slice(0, half), onAppended);
    return first === errorCode.NONE ? this.#appendPiece(piece.slice(half), onAppended) : first;
  }
}

/** What clients of a coordinator are told of a refused append (Kafka's CoordinatorOperationExceptionHelper). */
export function coordinatorCode(refusal: Refusal): number {
  switch (refusal) {
    case "log-offline":
    case "not-leader-or-follower":
    case "fenced-leader-epoch":
    case "unknown-leader-epoch":
      return errorCode.NOT_COORDINATOR;
    case "unknown-partition":
    case "not-enough-replicas":
      return errorCode.COORDINATOR_NOT_AVAILABLE;
    default:
      return errorCode.UNKNOWN_SERVER_ERROR;
  }
}
