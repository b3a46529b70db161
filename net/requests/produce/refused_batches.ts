/**
 * What idempotent producers on a connection sent and the broker refused, so that what they had sent behind it is not stored without
 * it. A partition takes the first batch that it sees of a producer with any sequence, because it may have forgotten the producer;
 * where the batch before it was refused on the same connection, it is known to come too early. Runs on shards.
 *
 *   sequence 0 refused (no such topic) ──► 17 is ahead: OUT_OF_ORDER_SEQUENCE_NUMBER ──► 0 again: stored ──► 17 again: stored
 *
 * Source: KAFKA-15591; Kafka's ProducerAppendInfo.checkSequence, which knows no refusals.
 */
import { TOPIC_NAME_CHARACTERS_MAX } from "../../../partitions/mod.ts";

/** A batch of an idempotent producer. */
export interface ProducerBatch {
  readonly producerId: number;
  /** Name or id, as the client says it. */
  readonly topic: string;
  readonly partition: number;
  /** Of its first record. */
  readonly sequence: number;
}

/** Producers and partitions of a connection of which a refusal is remembered; the oldest are forgotten. */
const REFUSED_MAX = 100;

/** Those of one connection. */
export class RefusedBatches {
  /** The first sequence that was refused and has not been stored since. */
  readonly #first = new Map<string, number>();

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#first.size === 0;
  }

  /** A batch was refused. */
  onRefused(batch: ProducerBatch): void {
    if (batch.topic.length > TOPIC_NAME_CHARACTERS_MAX) return; // nothing will ever be stored there
    const key = keyOf(batch);
    const first = this.#first.get(key);
    if (first !== undefined && first < batch.sequence) return;
    this.#first.set(key, batch.sequence);
    if (this.#first.size <= REFUSED_MAX) return;
    const [oldest] = this.#first.keys();
    if (oldest !== undefined) this.#first.delete(oldest);
  }

  /** A batch was stored: the one that had been refused, or the first of a new epoch. */
  onStored(batch: ProducerBatch): void {
    this.#first.delete(keyOf(batch));
  }

  /** Whether a batch comes behind one that was refused. */
  isAhead(batch: ProducerBatch): boolean {
    const first = this.#first.get(keyOf(batch));
    return first !== undefined && batch.sequence > first;
  }
}

function keyOf({ producerId, topic, partition }: ProducerBatch): string {
  return `${producerId} ${partition} ${topic}`;
}
