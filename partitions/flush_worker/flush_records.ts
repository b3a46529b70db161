/**
 * The operations of the flush worker as ring records (shared/messages.ts), for both ends of its line.
 *
 *   files of a group's partitions  [[7], [8, 9, 10], [11]]
 *   words of the record(s)          ~7 | 8, 9, ~10 | ~11       an inverted descriptor is a partition's last
 *   answer                          bits 0, 1, 2: did a file of that partition fail?
 */
import { assert } from "../../storage/base/assert.ts";
import type { Outbox } from "../shared/mail.ts";
import * as message from "../shared/messages.ts";
import { RECORD_INTS, type RingRecord } from "../shared/ring.ts";

/** Partitions of one operation: the answer has a bit for each. */
export const FLUSHED_PARTITIONS_MAX = 64;
/** Files of one record. */
const RECORD_FILES_MAX = RECORD_INTS - message.flush.firstFile;

/** An operation as the worker received it. */
export interface FlushOperation {
  /** The shard that waits for it. */
  readonly shard: number;
  readonly operation: number;
  /** Descriptors by partition. */
  readonly files: readonly (readonly number[])[];
}

/** Sends an operation. @param files descriptors by partition, at least one each, of at most 64 partitions */
export function sendFlush(outbox: Outbox, operation: number, files: readonly (readonly number[])[]): void {
  assert(files.length > 0 && files.length <= FLUSHED_PARTITIONS_MAX, "an answer has a bit for each partition");
  const words: number[] = [];
  for (const fds of files) {
    assert(fds.length > 0, "a flush has files");
    for (const [index, fd] of fds.entries()) words.push(index === fds.length - 1 ? ~fd : fd);
  }
  for (let sent = 0; sent < words.length; sent += RECORD_FILES_MAX) {
    const count = Math.min(RECORD_FILES_MAX, words.length - sent);
    const { ints, int } = outbox.begin(message.kind.flush);
    ints[int + message.flush.operation] = operation;
    ints[int + message.flush.isLast] = sent + count === words.length ? 1 : 0;
    ints[int + message.flush.files] = count;
    for (let index = 0; index < count; index++) {
      ints[int + message.flush.firstFile + index] = words[sent + index] as number;
    }
    outbox.commit();
  }
}

/** Puts the records of operations together, by sender. */
export class FlushReceiver {
  /** By shard: the files of an operation whose records have not all arrived. */
  readonly #partial = new Map<number, number[][]>();

  /** Receives a record. @returns the operation when it is the last one of it, else null */
  receive(shard: number, { ints, int }: RingRecord): FlushOperation | null {
    assert(ints[int] === message.kind.flush, "the flush worker gets flushes only");
    const files = this.#partial.get(shard) ?? [[]];
    const count = ints[int + message.flush.files] as number;
    for (let index = 0; index < count; index++) {
      const word = ints[int + message.flush.firstFile + index] as number;
      (files[files.length - 1] as number[]).push(word < 0 ? ~word : word);
      if (word < 0) files.push([]);
    }
    const isLast = ints[int + message.flush.isLast] === 1;
    if (isLast) this.#partial.delete(shard);
    else this.#partial.set(shard, files);
    return isLast
      ? { shard, operation: ints[int + message.flush.operation] as number, files: files.slice(0, -1) }
      : null;
  }
}

/** Sends the answer. @param areFlushed by partition: whether all its files are on the disk */
export function sendFlushed(outbox: Outbox, operation: number, areFlushed: readonly boolean[]): void {
  const { ints, int } = outbox.begin(message.kind.flushed);
  ints[int + message.flushed.operation] = operation;
  for (const [half, word] of [message.flushed.failedLow, message.flushed.failedHigh].entries()) {
    ints[int + word] = areFlushed.slice(32 * half, 32 * half + 32)
      .reduce((bits, isFlushed, bit) => isFlushed ? bits : bits | 1 << bit, 0);
  }
  outbox.commit();
}

/** Whether the answer says that all files of a partition are on the disk. */
export function isFlushed({ ints, int }: RingRecord, partition: number): boolean {
  const word = partition < 32 ? message.flushed.failedLow : message.flushed.failedHigh;
  return ((ints[int + word] as number) >>> (partition & 31) & 1) === 0;
}
