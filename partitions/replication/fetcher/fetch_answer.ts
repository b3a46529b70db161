/**
 * Reads a leader's answer to a follower's Fetch (v17) in place: one partition at a time, without an object for each, and the records stay
 * where they lie. Pure; shards.
 *
 *   throttleTimeMs int32 | errorCode int16 | sessionId int32 | topics [ topicId uuid | partitions [
 *     partition int32 | errorCode int16 | highWatermark int64 | lastStableOffset int64 | logStartOffset int64
 *     abortedTransactions nullable [ producerId int64 | firstOffset int64 | tags ] | preferredReadReplica int32 | records nullable bytes
 *     tags: 0 divergingEpoch { epoch int32 | endOffset int64 | tags } ] | tags ] | tags
 *
 * Must always hold: the leader may send anything. A count or length is compared with the bytes that are left (net/protocol/reader.ts), nothing
 * is allocated by it, and an offset that no log has fails the answer.
 * Source: Kafka 4.3 FetchResponse.json.
 */
import { decodeResponseHeader } from "../../../net/protocol/headers.ts";
import { fetchRequest } from "../../../net/protocol/messages/01_fetch.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import { ZERO_UUID } from "../../../net/protocol/text_cache.ts";
import { NO_OFFSET, type Offset, toOffset } from "../../../storage/base/units.ts";

/** Version of Fetch between brokers: the first with directory ids (KIP-853), and none of the later fields is for followers. */
export const FETCH_VERSION = 17;

/** Fewest bytes of a topic, of a partition and of an aborted transaction. */
const TOPIC_BYTES_MIN = 18;
const PARTITION_BYTES_MIN = 37;
const ABORTED_BYTES = 16;
const DIVERGING_TAG = 0;

/** An answer, read from front to back. The fields from `topicId` on are those of the partition that `next()` has read. */
export class FetchAnswerReader {
  readonly #reader = new Reader(new Uint8Array(0));
  #topicsLeft = 0;
  #partitionsLeft = 0;
  /** Of the whole answer. */
  errorCode = 0;
  /** The session that goes on; 0 for none. */
  sessionId = 0;
  topicId = ZERO_UUID;
  partition = -1;
  partitionError = 0;
  highWatermark = NO_OFFSET;
  logStartOffset = NO_OFFSET;
  /** Largest epoch of the leader that is at most the last one of the follower, and its end; -1 where their logs do not differ. */
  divergingEpoch = -1;
  divergingEndOffset = NO_OFFSET;
  /** Where the records lie in the memory. */
  recordsStart = 0;
  recordsLength = 0;

  /** Why the answer cannot be read, else null. */
  get failure(): string | null {
    return this.#reader.failure;
  }

  /** Reads the start of an answer. @param bytes that hold it @param range from the correlation id on @returns the correlation id */
  begin(bytes: Uint8Array, range: { start: number; length: number }): number {
    const reader = this.#reader;
    reader.reset(bytes, range.start, range.start + range.length);
    const correlationId = decodeResponseHeader(reader, fetchRequest, FETCH_VERSION);
    reader.int32(); // a throttle time: followers are not throttled by it
    this.errorCode = reader.int16();
    this.sessionId = reader.int32();
    this.#topicsLeft = reader.compactCount(TOPIC_BYTES_MIN);
    this.#partitionsLeft = 0;
    return correlationId;
  }

  /** Reads the next partition. @returns false at the end of the answer, or when it cannot be read: see `failure` */
  next(): boolean {
    const reader = this.#reader;
    while (this.#partitionsLeft === 0) {
      if (this.topicId !== ZERO_UUID) this.#endTopic();
      if (this.#topicsLeft === 0 || reader.failure !== null) return this.#end();
      this.#topicsLeft--;
      this.topicId = reader.uuid();
      this.#partitionsLeft = reader.compactCount(PARTITION_BYTES_MIN);
      if (this.topicId === ZERO_UUID) reader.fail("A topic without an id");
    }
    this.#partitionsLeft--;
    this.#readPartition();
    return reader.failure === null;
  }

  #endTopic(): void {
    this.#reader.skipTags();
    this.topicId = ZERO_UUID;
  }

  #end(): false {
    const reader = this.#reader;
    if (reader.failure === null) reader.skipTags();
    if (reader.failure === null && reader.remaining > 0) reader.fail(`${reader.remaining} bytes too many`);
    return false;
  }

  #readPartition(): void {
    const reader = this.#reader;
    this.partition = reader.int32();
    this.partitionError = reader.int16();
    this.highWatermark = this.#offset();
    reader.int64(); // the last stable offset: this replica computes its own
    this.logStartOffset = this.#offset();
    for (let left = reader.compactNullableCount(ABORTED_BYTES); left > 0 && reader.failure === null; left--) {
      reader.skip(ABORTED_BYTES);
      reader.skipTags();
    }
    reader.int32(); // the preferred replica: for consumers
    const records = reader.compactNullableRecords();
    this.recordsStart = records?.start ?? 0;
    this.recordsLength = records?.length ?? 0;
    this.#readTags();
  }

  #readTags(): void {
    const reader = this.#reader;
    this.divergingEpoch = -1;
    this.divergingEndOffset = NO_OFFSET;
    for (let left = reader.tagCount(); left > 0 && reader.failure === null; left--) {
      const tag = reader.unsignedVarint();
      const end = reader.openTag();
      if (tag === DIVERGING_TAG) {
        this.divergingEpoch = reader.int32();
        this.divergingEndOffset = this.#offset();
        reader.skipTags();
      } else reader.skip(reader.remaining);
      reader.closeTag(end);
    }
  }

  #offset(): Offset {
    const offset = this.#reader.int64();
    if (!Number.isSafeInteger(offset) || offset < NO_OFFSET) this.#reader.fail(`The impossible offset ${offset}`);
    return toOffset(offset);
  }
}
