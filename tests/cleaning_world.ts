/**
 * A log that random producers fill, as files and as a list of batches: the input of the model test of compaction. All kinds of batches
 * occur: every codec, both types of timestamps, keyless records, tombstones, idempotent and transactional producers, markers, other control
 * batches, and those that an earlier cleaning left. Test code.
 */
import { toOffset } from "../storage/base/units.ts";
import { codecNames } from "../storage/records/record_batch.ts";
import { partitionFileName } from "../storage/segments/segment_names.ts";
import { encodeTransactionIndex } from "../storage/segments/transaction_index.ts";
import { decodeBatch, type DecodedBatch, writeSegment } from "./cleaning_fixture.ts";
import { ABORT_KEY, COMMIT_KEY, type ModelAbort } from "./cleaning_model.ts";
import { type BatchOptions, buildBatch, TEST_TIMESTAMP, type TestRecord } from "./record_batch_builder.ts";

interface WorldProducer {
  readonly producerId: number;
  readonly isTransactional: boolean;
  epoch: number;
  sequence: number;
  lastDataOffset: number;
  /** First offset of the open transaction, -1 for none. */
  openSince: number;
  isKnown: boolean;
}

/** A control record that belongs to no transaction: a change of the leader (LeaderChangeMessage.json: version, leader, no voters). */
const LEADER_CHANGE = { key: "\0\0\0\x02", value: "\0\0\0\0\0\x01\x01\x01\0" };

/** The producers and their log. */
export class CleaningWorld {
  readonly batches: DecodedBatch[] = [];
  readonly aborts: ModelAbort[] = [];
  readonly producers: WorldProducer[];
  readonly #directory: string;
  readonly #random: () => number;
  readonly #keysCount: number;
  #active: Uint8Array[] = [];
  #activeAborts: ModelAbort[] = [];
  #activeBase = 0;
  #end = 0;
  nowMs = TEST_TIMESTAMP;

  /** @param directory of the partition, which is created */
  constructor(directory: string, random: () => number) {
    this.#directory = directory;
    this.#random = random;
    this.#keysCount = 1 + this.below(random() < 0.3 ? 200 : 12);
    this.producers = Array.from({ length: 1 + this.below(4) }, (_, index) => ({
      producerId: 1000 + index,
      isTransactional: random() < 0.6,
      epoch: 0,
      sequence: 0,
      lastDataOffset: -1,
      openSince: -1,
      isKnown: true,
    }));
    this.roll();
  }

  /** Base offset of the active segment. */
  get activeBase(): number {
    return this.#activeBase;
  }

  /** Offset that the next record gets. */
  get end(): number {
    return this.#end;
  }

  /** First offset of an open transaction, or the end of the log. */
  get lastStableOffset(): number {
    return Math.min(
      this.#end,
      ...this.producers.filter(({ openSince }) => openSince >= 0).map((producer) => producer.openSince),
    );
  }

  /** A random integer from 0 to below a number. */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** Appends one batch of a random kind. */
  append(): void {
    const dice = this.#random();
    if (dice < 0.03) {
      return this.#appendControl(LEADER_CHANGE, { producerId: -1, producerEpoch: -1 });
    }
    const producer = this.#random() < 0.7 ? this.producers[this.below(this.producers.length)]! : null;
    if (producer === null || !producer.isKnown) return this.#appendData(null);
    if (producer.openSince >= 0 && dice < 0.3) return this.#endTransaction(producer);
    this.#appendData(producer);
  }

  /** Begins a new active segment; where the log has none yet, its first. */
  roll(): void {
    this.flush();
    if (this.#end === this.#activeBase && this.#active.length > 0) return;
    if (this.#end > 0 && this.#end === this.#activeBase) return;
    this.#active = [];
    this.#activeAborts = [];
    this.#activeBase = this.#end;
    this.flush();
  }

  /** Writes the active segment's files. */
  flush(): void {
    writeSegment(this.#directory, this.#activeBase, this.#active);
    if (this.#activeAborts.length === 0) return;
    const entries = this.#activeAborts.map((abort) => ({
      producerId: abort.producerId,
      firstOffset: toOffset(abort.firstOffset),
      lastOffset: toOffset(abort.lastOffset),
      lastStableOffset: toOffset(abort.lastOffset + 1),
    }));
    const name = partitionFileName(toOffset(this.#activeBase), ".txnindex");
    Deno.writeFileSync(`${this.#directory}/${name}`, encodeTransactionIndex(entries));
  }

  /** Forgets a producer, as the log does with one that was idle for long. */
  expireOne(): void {
    const producer = this.producers[this.below(this.producers.length)]!;
    if (producer.openSince < 0) producer.isKnown = false;
  }

  #timestamp(): number {
    return this.nowMs - this.below(1000);
  }

  #record(index: number): TestRecord {
    const key = `${this.below(this.#keysCount)}`.repeat(this.#random() < 0.02 ? 300 : 1);
    return {
      key: this.#random() < 0.03 ? null : this.#random() < 0.03 ? "" : key,
      value: this.#random() < 0.2 ? null : `${this.#end + index} `.repeat(1 + this.below(12)),
      timestamp: this.#timestamp(),
      headers: this.#random() < 0.1 ? [["h", "x"], ["i", null]] : [],
    };
  }

  #appendData(producer: WorldProducer | null): void {
    const count = 1 + this.below(this.#random() < 0.5 ? 3 : 20);
    const records = Array.from({ length: count }, (_, index) => this.#record(index));
    const isLogAppendTime = this.#random() < 0.15;
    const options: BatchOptions = {
      codec: codecNames[this.#random() < 0.5 ? 0 : this.below(codecNames.length)]!,
      logAppendTime: isLogAppendTime,
      ...(isLogAppendTime ? { maxTimestamp: this.nowMs } : {}),
    };
    if (producer === null) return this.#push(records, options);
    if (producer.isTransactional && producer.openSince < 0) producer.openSince = this.#end;
    producer.lastDataOffset = this.#end + count - 1;
    const { producerId, epoch, sequence, isTransactional } = producer;
    producer.sequence += count;
    const idempotent = { producerId, producerEpoch: epoch, baseSequence: sequence };
    this.#push(records, { ...options, ...idempotent, transactional: isTransactional });
  }

  #endTransaction(producer: WorldProducer): void {
    const isAborted = this.#random() < 0.5;
    if (isAborted) {
      const abort = { producerId: producer.producerId, firstOffset: producer.openSince, lastOffset: this.#end };
      this.aborts.push(abort);
      this.#activeAborts.push(abort);
    }
    producer.openSince = -1;
    const key = isAborted ? ABORT_KEY : COMMIT_KEY;
    // A coordinator of transaction.version 2 ends each transaction with a new epoch: the producer then has no data in its epoch.
    if (this.#random() < 0.4) {
      Object.assign(producer, { epoch: producer.epoch + 1, sequence: 0, lastDataOffset: -1 });
    }
    const { producerId, epoch: producerEpoch } = producer;
    this.#appendControl({ key, value: "\0\0\0\0\0\x05" }, { producerId, producerEpoch });
  }

  #appendControl(record: TestRecord, producer: { producerId: number; producerEpoch: number }): void {
    const transactional = producer.producerId >= 0;
    this.#push([{ ...record, timestamp: this.#timestamp() }], { ...producer, control: true, transactional });
  }

  #push(records: TestRecord[], options: BatchOptions): void {
    const bytes = buildBatch(records, {
      ...options,
      baseOffset: this.#end,
      partitionLeaderEpoch: this.below(3) === 0 ? 1 : 0,
    });
    this.#active.push(bytes);
    this.batches.push(decodeBatch(bytes));
    this.#end += records.length;
  }
}
