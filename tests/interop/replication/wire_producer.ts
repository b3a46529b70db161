/**
 * A producer of one partition that never gives up: it sends one batch at a time, with sequence numbers (KIP-98), and sends it again until it
 * is acknowledged. Main isolate of a test.
 */
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { errorCode, errorName } from "../../../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../../../net/protocol/messages/00_produce.ts";
import type { History } from "./history.ts";
import { LeaderLinks, type TopicView } from "./topic_view.ts";

/** How a producer writes. */
export interface WireProducerOptions {
  readonly partition: number;
  /** -1: all replicas that are in sync; then it is idempotent. 1: the leader alone; then nothing is sent twice. */
  readonly acks: -1 | 1;
  readonly producerId: number;
}

const PRODUCE_VERSION = 9;
/** A batch has 1 to this many records, in turn. */
const RECORDS_MAX = 4;
const PADDING = " ".padEnd(60, ".");
/** Between an acknowledgement and the next batch. */
const PACE_MS = 40;
/** `timeout.ms` of a request. Twice this time, or another leader, lets the producer send it again. */
const ANSWER_MS = 2000;
/** Until an answer of the leader alone is given up. */
const LATE_MS = 20_000;
/** What a client repeats: the leader is away or not known, replicas are missing, the outcome is unknown. */
const RETRIED: readonly number[] = [
  errorCode.NOT_LEADER_OR_FOLLOWER,
  errorCode.LEADER_NOT_AVAILABLE,
  errorCode.UNKNOWN_TOPIC_OR_PARTITION,
  errorCode.NOT_ENOUGH_REPLICAS,
  errorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  errorCode.REQUEST_TIMED_OUT,
  errorCode.KAFKA_STORAGE_ERROR,
  errorCode.NETWORK_EXCEPTION,
];

const encoder = new TextEncoder();

/** The producer. `run()` settles once `stop()` was called and all it has sent is acknowledged. */
export class WireProducer {
  /** Acknowledged batches. */
  acknowledged = 0;
  readonly #view: TopicView;
  readonly #history: History;
  readonly #options: WireProducerOptions;
  readonly #links: LeaderLinks;
  #sequence = 0;
  #isStopped = false;
  #isGivenUp = false;

  constructor(view: TopicView, history: History, options: WireProducerOptions) {
    this.#view = view;
    this.#history = history;
    this.#options = options;
    this.#links = new LeaderLinks(view, options.partition);
  }

  /** Lets it end after the batch that it is about to have acknowledged. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Lets it end, whether or not all is acknowledged. */
  giveUp(): void {
    this.#isStopped = true;
    this.#isGivenUp = true;
  }

  /** Writes. */
  async run(): Promise<void> {
    const { partition } = this.#options;
    for (let turn = 0; !this.#isStopped; turn++) {
      const count = turn % RECORDS_MAX + 1;
      const values = Array.from({ length: count }, (_, index) => `wire-${partition}-${this.#sequence + index}`);
      const offset = await this.#send(values);
      this.#sequence += count;
      if (offset !== null) {
        for (const [index, value] of values.entries()) {
          this.#history.acknowledge(partition, offset < 0 ? -1 : offset + index, value);
        }
        this.acknowledged++;
      }
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
    }
    this.#links[Symbol.dispose]();
  }

  /** @returns the base offset, -1 for one that is not known any more, null when the outcome stays unknown */
  async #send(values: readonly string[]): Promise<number | null> {
    const { partition, acks, producerId } = this.#options;
    const isIdempotent = acks === -1;
    const records = wireBatch(
      values.map((value) => ({ value: encoder.encode(value + PADDING) })),
      isIdempotent ? { producerId, producerEpoch: 0, baseSequence: this.#sequence } : {},
    );
    const topicData = [{ name: this.#view.topic, partitionData: [{ index: partition, records }] }];
    const value = { transactionalId: null, acks, timeoutMs: ANSWER_MS, topicData };
    for (;;) {
      const answer = await this.#links.current()?.ask(
        (client) => client.call(produceRequest, produceResponse, { apiVersion: PRODUCE_VERSION, value }),
        // What the leader alone acknowledges counts whenever it comes: also when it has been paused, and another one leads.
        isIdempotent ? { withinMs: ANSWER_MS * 2, unless: this.#view.moved(partition) } : { withinMs: LATE_MS },
      );
      const { errorCode: code, baseOffset } = answer?.responses[0]?.partitionResponses[0] ??
        { errorCode: errorCode.NETWORK_EXCEPTION, baseOffset: -1 };
      if (code === errorCode.NONE) return baseOffset;
      if (code === errorCode.DUPLICATE_SEQUENCE_NUMBER) return -1;
      if (!RETRIED.includes(code)) {
        this.#history.oddities.push(`producer of partition ${partition}: ${errorName(code)} for ${values[0]}`);
        this.#isStopped = true;
        return null;
      }
      await this.#view.refreshed();
      if (!isIdempotent || this.#isGivenUp) return null;
    }
  }
}
