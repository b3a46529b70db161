/**
 * The producers of a log. The last batches of each producer id reveal duplicates and gaps, and a snapshot file at the base of every
 * segment saves reading the log again. Runs on the shard that owns the log.
 * Source: Kafka's ProducerStateManager.
 */
import { type Offset, toOffset } from "../../base/units.ts";
import { readEndMarker } from "../../records/control_records.ts";
import { acceptedAppend, refusedAppend } from "../log_results.ts";
import type { AppendResult } from "../log_types.ts";
import { ProducerSnapshotFiles } from "./producer_snapshot_files.ts";
import { lastSequenceOf, ProducerState } from "./producer_state.ts";
import * as batches from "../../records/record_batch.ts";
import type { AbortedTransaction } from "../../segments/transaction_index.ts";
import type { FileSystem } from "../../sys/file_system.ts";
import type { Unflushed } from "../unflushed.ts";

/** Producers of a snapshot inside a segment: as many are encoded and written in about a millisecond. */
const SNAPSHOT_PRODUCERS_MAX = 1000;

/** Producer state with its snapshot files. */
export class ProducerStateManager {
  readonly state = new ProducerState();
  readonly snapshots: ProducerSnapshotFiles;
  #hasSeenAbort = false;
  // One object for all batches: nothing is allocated for a batch without a producer id, and little for one with it.
  readonly #facts = {
    producerId: 0,
    producerEpoch: 0,
    baseSequence: 0,
    lastSequence: 0,
    baseOffset: toOffset(0),
    lastOffset: toOffset(0),
    timestamp: 0,
    transactional: false,
  };

  /** @param directory the partition's */
  constructor(fs: FileSystem, directory: string) {
    this.snapshots = new ProducerSnapshotFiles(fs, directory);
  }

  /** Whether `update()` has seen the marker of an aborted transaction. */
  get hasSeenAbort(): boolean {
    return this.#hasSeenAbort;
  }

  /** Checks a batch that a producer sent. @returns the result when it is refused or a duplicate, null to append it */
  check(view: DataView, at: number): AppendResult | null {
    if (batches.producerId(view, at) < 0) return null;
    const check = this.state.check(this.#describe(view, at));
    if (check.kind === "append") return null;
    if (check.kind === "refused") return refusedAppend(check.refusal, check.message);
    return { ...acceptedAppend(check.baseOffset, check.lastOffset, check.timestamp), duplicate: true };
  }

  /** Records a batch that is in the log, with its assigned offsets. */
  update(view: DataView, at: number): void {
    if (batches.producerId(view, at) < 0) return;
    if (batches.isControl(view, at)) return this.#updateByMarker(view, at);
    this.state.update(this.#describeAppended(view, at));
  }

  /** The transaction that a batch aborts, by what is known before `update()`; null for any other batch, and where nothing was sent in it. */
  abortedBy(view: DataView, at: number): AbortedTransaction | null {
    if (!batches.isControl(view, at) || readEndMarker(view, at)?.committed !== false) return null;
    const producerId = batches.producerId(view, at);
    const lastOffset = batches.lastOffset(view, at);
    let [firstOffset, lastStableOffset] = [-1, lastOffset + 1];
    this.state.forEach((id, _epoch, _lastDataOffset, txnFirstOffset) => {
      if (id === producerId) firstOffset = txnFirstOffset;
      else if (txnFirstOffset >= 0) lastStableOffset = Math.min(lastStableOffset, txnFirstOffset);
    });
    if (firstOffset < 0) return null;
    return { producerId, firstOffset: toOffset(firstOffset), lastOffset, lastStableOffset: toOffset(lastStableOffset) };
  }

  /** Records a batch that is in the log below the loaded snapshot. */
  recall(view: DataView, at: number): void {
    if (batches.producerId(view, at) < 0 || batches.isControl(view, at)) return;
    this.state.recall(this.#describeAppended(view, at));
  }

  /** Writes the current state as the snapshot of all records below `offset`. @throws when the disk refuses */
  snapshot(offset: Offset): void {
    if (offset > 0 && !this.snapshots.has(offset)) this.snapshots.write(offset, this.state.encodeSnapshot());
  }

  /**
   * Writes the current state as the snapshot of all records below `offset`, the log's end, in the place of earlier ones of the last
   * segment. @param segmentBase base offset of that segment @throws when the disk refuses
   */
  snapshotLast(offset: Offset, segmentBase: Offset): void {
    this.snapshot(offset);
    this.snapshots.removeBetween(segmentBase, offset);
  }

  /**
   * Writes such a snapshot for a flush, so that a recovery need not read the batches below it. Not with very many producers, because
   * that would take long. @param unflushed gets the file
   */
  snapshotForFlush(offset: Offset, by: { segmentBase: Offset; unflushed: Unflushed }): void {
    if (this.state.size > SNAPSHOT_PRODUCERS_MAX) return;
    this.snapshotLast(offset, by.segmentBase);
    this.snapshots.flushNext(offset, by.unflushed);
  }

  /**
   * Loads the newest sound snapshot and removes damaged ones.
   * @param firstOffset all batches from it on exist @param onDamaged called with the offset of a damaged one
   * @returns the offset up to which the state is known, `firstOffset` where there is no snapshot
   */
  loadNewest(firstOffset: Offset, onDamaged: (offset: Offset) => void = () => {}): Offset {
    for (let newest = this.snapshots.latest; newest >= 0; newest = this.snapshots.latest) {
      const bytes = this.snapshots.read(newest);
      if (bytes !== null && this.state.loadSnapshot(bytes)) return newest;
      this.state.clear();
      onDamaged(newest);
      this.snapshots.remove(newest);
    }
    return firstOffset;
  }

  /**
   * Loads the newest sound snapshot that does not lie above an offset.
   * @param firstOffset all batches from it on exist @returns the offset up to which the state is known
   */
  loadAtMost(offset: Offset, firstOffset: Offset): Offset {
    for (const at of this.snapshots.atMost(offset)) {
      const bytes = this.snapshots.read(at);
      if (at >= firstOffset && bytes !== null && this.state.loadSnapshot(bytes)) return at;
    }
    return firstOffset;
  }

  /**
   * Records a transaction marker, which a directory of Kafka may hold. It has a producer id but no sequence; compaction leaves an
   * empty control batch of it.
   */
  #updateByMarker(view: DataView, at: number): void {
    const marker = readEndMarker(view, at);
    if (marker === null) return;
    if (!marker.committed) this.#hasSeenAbort = true;
    this.state.endTransaction({
      producerId: batches.producerId(view, at),
      producerEpoch: batches.producerEpoch(view, at),
      coordinatorEpoch: marker.coordinatorEpoch,
      timestamp: batches.maxTimestamp(view, at),
    });
  }

  #describeAppended(view: DataView, at: number) {
    const facts = this.#describe(view, at);
    facts.baseOffset = batches.baseOffset(view, at);
    facts.lastOffset = batches.lastOffset(view, at);
    facts.timestamp = batches.maxTimestamp(view, at);
    facts.transactional = batches.isTransactional(view, at);
    return facts;
  }

  #describe(view: DataView, at: number) {
    const facts = this.#facts;
    facts.producerId = batches.producerId(view, at);
    facts.producerEpoch = batches.producerEpoch(view, at);
    facts.baseSequence = batches.baseSequence(view, at);
    facts.lastSequence = lastSequenceOf(facts.baseSequence, batches.lastOffsetDelta(view, at));
    return facts;
  }
}
