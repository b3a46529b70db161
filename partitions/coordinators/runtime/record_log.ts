/**
 * The writing side of one partition of a coordinator's topic: batches of records, appended by a call to the shard's own partition, at
 * once or gathered until the end of the turn. Runs on the shard that owns the partition.
 *
 * Gathering writes one batch for many requests, which takes a third of the time of one batch per request. Always: records that are
 * appended after others were gathered come behind them in the log; a request whose records cannot be written does not make others fail.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Clock } from "../../../storage/mod.ts";
import type { Partition } from "../../owned/partition.ts";
import type { Refusal } from "../../requests/refusals.ts";
import type { BatchBuilder } from "./batch_builder.ts";
import type { Batch, LongBatch } from "./long_batch.ts";

/** The most records of a batch, where they need not stay together. */
const PIECE_RECORDS_MAX = 500;
/** The most records that are gathered before they are written. */
const GATHERED_RECORDS_MAX = 1000;

/** Records of one request that wait for the end of the turn. */
interface Gathered<Entry> {
  readonly records: readonly Entry[];
  readonly done: (code: number) => void;
}

/** What a log is built from. */
export interface RecordLogParts<Entry> {
  /** May be shared by all partitions of the shard. */
  readonly builder: BatchBuilder<Entry>;
  readonly clock: Clock;
  /** Applies a gathered record once it is in the log. */
  readonly apply: (record: Entry) => void;
  /** Records were gathered: `writeGathered()` has to follow. */
  readonly onGathered: () => void;
}

/** Writes one partition of a coordinator's topic. */
export class RecordLog<Entry> {
  readonly #partition: Partition;
  readonly #parts: RecordLogParts<Entry>;
  /** Only in this leadership records are appended: they follow from a state that another one need not have. */
  readonly #leadership: number;
  #records: Entry[] = [];
  #gathered: Gathered<Entry>[] = [];
  #appendedBatches = 0;

  /** @param partition owned by this shard */
  constructor(partition: Partition, parts: RecordLogParts<Entry>) {
    this.#partition = partition;
    this.#leadership = partition.leadership;
    this.#parts = parts;
  }

  /** How many batches were appended. */
  get appendedBatches(): number {
    return this.#appendedBatches;
  }

  /**
   * Appends records as one batch, all or none, behind the gathered records.
   * @returns 0 when they are written, else the error code for the client of a coordinator: NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE
   * or UNKNOWN_SERVER_ERROR, never one of the codes for producers
   */
  append(records: readonly Entry[]): number {
    this.writeGathered();
    return this.#write(records);
  }

  /**
   * Appends records that need not stay together, in several batches if they are many. Stops at the first refused batch.
   * @param onAppended called with the records of each batch that is in the log @returns the code of the refused batch, 0 for none
   */
  appendAll(records: readonly Entry[], onAppended: (records: readonly Entry[]) => void): number {
    for (let from = 0; from < records.length; from += PIECE_RECORDS_MAX) {
      const piece = records.slice(from, from + PIECE_RECORDS_MAX);
      const code = this.#appendPiece(piece, onAppended);
      if (code !== errorCode.NONE) return code;
    }
    return errorCode.NONE;
  }

  /** Begins a batch of very many records, which are added over several turns before `appendLong()`. */
  beginLong(): LongBatch<Entry> {
    return this.#parts.builder.beginLong(batchBytesMax(this.#partition));
  }

  /** Appends such a batch, as `append()` does, and applies its records. @param records that were added @returns as `append()` */
  appendLong(records: readonly Entry[], batch: LongBatch<Entry>): number {
    this.writeGathered();
    const nowMs = this.#parts.clock.wallMs();
    const code = this.#writeBatch(batch.isTooLarge ? null : batch.complete(nowMs), nowMs);
    if (code === errorCode.NONE) { for (const record of records) this.#parts.apply(record); }
    return code;
  }

  /**
   * Appends records together with those of other requests of this turn, then applies them.
   * @param records at least one @param done called with the code, as of `append()`, once the records are applied or refused
   */
  gather(records: readonly Entry[], done: (code: number) => void): void {
    if (this.#records.length > 0 && this.#records.length + records.length > GATHERED_RECORDS_MAX) this.writeGathered();
    for (const record of records) this.#records.push(record);
    this.#gathered.push({ records, done });
    this.#parts.onGathered();
  }

  /** Writes and applies all gathered records and answers their requests. Call it before reading state that they change. */
  writeGathered(): void {
    if (this.#gathered.length === 0) return;
    const records = this.#records;
    const gathered = this.#gathered;
    this.#records = [];
    this.#gathered = [];
    const code = this.#write(records);
    if (code === errorCode.UNKNOWN_SERVER_ERROR && gathered.length > 1) {
      // All together were too large, or one request was: write each request by itself.
      for (const one of gathered) this.#finish([one], one.records, this.#write(one.records));
    } else this.#finish(gathered, records, code);
  }

  #finish(gathered: readonly Gathered<Entry>[], records: readonly Entry[], code: number): void {
    if (code === errorCode.NONE) { for (const record of records) this.#parts.apply(record); }
    for (const { done } of gathered) done(code);
  }

  #write(records: readonly Entry[]): number {
    if (records.length === 0) return errorCode.NONE;
    const { builder, clock } = this.#parts;
    const nowMs = clock.wallMs();
    const batch = builder.build(records, { timestampMs: nowMs, batchBytesMax: batchBytesMax(this.#partition) });
    return this.#writeBatch(batch, nowMs);
  }

  /** @param batch null when the records do not fit into one @param nowMs the timestamp of its records */
  #writeBatch(batch: Batch | null, nowMs: number): number {
    const partition = this.#partition;
    if (!partition.isOpen || partition.leadership !== this.#leadership) return errorCode.NOT_COORDINATOR;
    if (batch === null) return errorCode.UNKNOWN_SERVER_ERROR;
    // As with acks=all.
    if (partition.leader?.hasEnoughReplicas === false) return coordinatorCode("not-enough-replicas");
    const { refusal } = partition.append(batch, nowMs);
    if (refusal !== null) return coordinatorCode(refusal);
    this.#appendedBatches++;
    return errorCode.NONE;
  }

  /** Appends a piece. A piece that is too large is halved. */
  #appendPiece(piece: readonly Entry[], onAppended: (records: readonly Entry[]) => void): number {
    const code = this.append(piece);
    if (code === errorCode.NONE) onAppended(piece);
    if (code !== errorCode.UNKNOWN_SERVER_ERROR || piece.length === 1) return code;
    const half = piece.length >> 1;
    const first = this.#appendPiece(piece.slice(0, half), onAppended);
    return first === errorCode.NONE ? this.#appendPiece(piece.slice(half), onAppended) : first;
  }
}

/** Largest batch that a partition takes, in bytes. */
function batchBytesMax({ config: { maxMessageBytes, segmentBytes } }: Partition): number {
  return Math.min(maxMessageBytes, segmentBytes);
}

/** Maps a refused append to the code for clients of a coordinator (Kafka's CoordinatorOperationExceptionHelper). */
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
