/**
 * Batches of idempotent producers that the broker refused on a connection, so that later batches are not stored without
 * them. A partition accepts any sequence in the first batch of a producer that it sees, because it may have forgotten the producer.
 * When the batch before it was refused on the same connection, this first batch is known to come too early. A partition that knows the
 * producer checks the sequence instead: the refused batch may have been a repeated one, which its log has. (Refused for that, librdkafka
 * begins a new epoch and sends again what is stored.) Runs on shards.
 *
 *   sequence 0 refused (no such topic) ──► 17 is ahead: OUT_OF_ORDER_SEQUENCE_NUMBER ──► 0 again: stored ──► 17 again: stored
 *
 * A refusal counts until another broker can have stored the batch. Then the log that it has come with knows the producer.
 * Source: KAFKA-15591; Kafka's ProducerAppendInfo.checkSequence, which ignores refusals.
 */
import { TOPIC_NAME_CHARACTERS_MAX } from "../../../partitions/mod.ts";

/** A batch of an idempotent producer. */
export interface ProducerBatch {
  readonly producerId: number;
  /** Name or id, as in the client's request. */
  readonly topic: string;
  readonly partition: number;
  /** Sequence of its first record. */
  readonly sequence: number;
}

/** Producers and partitions of a connection whose refusal is remembered. The oldest are forgotten. */
const REFUSED_MAX = 100;

/** The first sequence that was refused and has not been stored since. */
interface Refused {
  readonly sequence: number;
  readonly untilEpoch: number;
}

/** The refused batches of one connection. */
export class RefusedBatches {
  readonly #first = new Map<string, Refused>();

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#first.size === 0;
  }

  /** A batch was refused. @param untilEpoch the leader epoch until which that counts */
  onRefused(batch: ProducerBatch, untilEpoch: number): void {
    if (batch.topic.length > TOPIC_NAME_CHARACTERS_MAX) return; // such a topic cannot exist, so nothing is ever stored there
    const key = keyOf(batch);
    const first = this.#first.get(key);
    if (first !== undefined && first.untilEpoch >= untilEpoch && first.sequence < batch.sequence) return;
    this.#first.set(key, { sequence: batch.sequence, untilEpoch });
    if (this.#first.size <= REFUSED_MAX) return;
    const [oldest] = this.#first.keys();
    if (oldest !== undefined) this.#first.delete(oldest);
  }

  /** A batch was stored: the refused one, or the first of a new epoch. */
  onStored(batch: ProducerBatch): void {
    this.#first.delete(keyOf(batch));
  }

  /** Whether a batch follows a refused one. @param leaderEpoch in which this broker leads the partition */
  isAhead(batch: ProducerBatch, leaderEpoch: number): boolean {
    const key = keyOf(batch);
    const first = this.#first.get(key);
    if (first === undefined) return false;
    if (leaderEpoch <= first.untilEpoch) return batch.sequence > first.sequence;
    this.#first.delete(key);
    return false;
  }
}

function keyOf({ producerId, topic, partition }: ProducerBatch): string {
  return `${producerId} ${partition} ${topic}`;
}
