/**
 * A consumer of one partition: it reads from the leader, whose epoch it names (KIP-320), up to the high watermark. Main isolate of a test.
 */
import { batchesOf, recordsOfBatch } from "../../../bench/peer/wire_bytes.ts";
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import { fetchRequest, fetchResponse } from "../../../net/protocol/messages/01_fetch.ts";
import type { History } from "./history.ts";
import { nameOf } from "./replica_logs.ts";
import { LeaderLinks, type TopicView } from "./topic_view.ts";

/** The last version that names topics. */
const FETCH_VERSION = 12;
const PACE_MS = 40;
const WAIT_MS = 200;
const ANSWER_MS = 2000;
const BYTES_MAX = 1 << 20;
/** What a consumer repeats. */
const RETRIED: readonly number[] = [
  errorCode.NOT_LEADER_OR_FOLLOWER,
  errorCode.LEADER_NOT_AVAILABLE,
  errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  errorCode.FENCED_LEADER_EPOCH,
  errorCode.UNKNOWN_LEADER_EPOCH,
  errorCode.OFFSET_NOT_AVAILABLE,
  errorCode.REPLICA_NOT_AVAILABLE,
  errorCode.KAFKA_STORAGE_ERROR,
  errorCode.NETWORK_EXCEPTION,
];

const decoder = new TextDecoder();

/** The consumer. `run()` settles once `stop()` was called. */
export class WireReader {
  /** The offset that it reads next. */
  next = 0;
  readonly #view: TopicView;
  readonly #history: History;
  readonly #partition: number;
  readonly #links: LeaderLinks;
  #isStopped = false;
  #lastOddity = "";

  constructor(view: TopicView, history: History, partition: number) {
    this.#view = view;
    this.#history = history;
    this.#partition = partition;
    this.#links = new LeaderLinks(view, partition);
  }

  /** Lets it end. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Reads. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      const { leaderEpoch } = this.#view.partitions[this.#partition] ?? { leaderEpoch: -1 };
      const code = await this.#fetch(leaderEpoch);
      if (code === errorCode.NONE) {
        await new Promise((resolve) => setTimeout(resolve, PACE_MS));
        continue;
      }
      if (!RETRIED.includes(code)) {
        this.#noteOddity(`${errorName(code)} at offset ${this.next} in epoch ${leaderEpoch}`);
      }
      await this.#view.refreshed();
    }
    this.#links[Symbol.dispose]();
  }

  async #fetch(currentLeaderEpoch: number): Promise<number> {
    const partition = this.#partition;
    const partitions = [{ partition, fetchOffset: this.next, partitionMaxBytes: BYTES_MAX, currentLeaderEpoch }];
    const value = {
      maxWaitMs: WAIT_MS,
      minBytes: 1,
      maxBytes: BYTES_MAX,
      topics: [{ topic: this.#view.topic, partitions }],
    };
    const answer = await this.#links.current()?.ask(async (client) => {
      await client.send(fetchRequest, FETCH_VERSION, value);
      return await client.receive(fetchResponse, FETCH_VERSION);
    }, { withinMs: ANSWER_MS, unless: this.#view.moved(partition) }) ?? null;
    const found = answer?.response.responses[0]?.partitions[0];
    if (answer === null || found === undefined) return answer?.response.errorCode || errorCode.NETWORK_EXCEPTION;
    if (found.errorCode !== errorCode.NONE) return found.errorCode;
    const { highWatermark } = found;
    this.#history.watermarks.push({ partition, leaderEpoch: currentLeaderEpoch, highWatermark });
    const { start, length } = found.records ?? { start: 0, length: 0 };
    this.#take(answer.reader.bytes.subarray(start, start + length), highWatermark);
    return errorCode.NONE;
  }

  #take(bytes: Uint8Array, highWatermark: number): void {
    for (const batch of batchesOf(bytes)) {
      for (const [index, { value }] of recordsOfBatch(batch).entries()) {
        const offset = batch.baseOffset + index;
        if (offset < this.next) continue; // the batch begins below the offset that was asked for
        if (offset >= highWatermark) this.#noteOddity(`offset ${offset} above the high watermark ${highWatermark}`);
        if (offset !== this.next) this.#noteOddity(`offset ${offset} in place of ${this.next}`);
        const text = nameOf(decoder.decode(value ?? undefined));
        this.#history.reads.push({ consumer: "wire", partition: this.#partition, offset, value: text });
        this.next = offset + 1;
      }
    }
  }

  #noteOddity(text: string): void {
    if (text === this.#lastOddity) return;
    this.#lastOddity = text;
    this.#history.oddities.push(`reader of partition ${this.#partition}: ${text}`);
  }
}
