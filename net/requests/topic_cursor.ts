/**
 * The position in a request that names partitions by topic, for requests that are carried out one partition at a time (slices.ts).
 * Topics without partitions are skipped. Runs on shards.
 */

/** The position. */
export class TopicCursor<Topic, Partition> {
  readonly #topics: readonly Topic[];
  readonly #partitionsOf: (topic: Topic) => readonly Partition[];
  #topicIndex = 0;
  #partitionIndex = 0;

  /** @param topics of the request @param partitionsOf the partitions that a topic names */
  constructor(topics: readonly Topic[], partitionsOf: (topic: Topic) => readonly Partition[]) {
    this.#topics = topics;
    this.#partitionsOf = partitionsOf;
    this.#skipEmpty();
  }

  /** Whether all partitions are done. */
  get isAtEnd(): boolean {
    return this.#topicIndex === this.#topics.length;
  }

  /** Whether this is the first partition of its topic. */
  get isAtTopic(): boolean {
    return this.#partitionIndex === 0;
  }

  /** The current topic. Not called at the end. */
  get topic(): Topic {
    return this.#topics[this.#topicIndex] as Topic;
  }

  /** The current partition. Not called at the end. */
  get partition(): Partition {
    return this.#partitionsOf(this.topic)[this.#partitionIndex] as Partition;
  }

  /** Advances to the next partition. @returns whether there is one */
  advance(): boolean {
    this.#partitionIndex++;
    if (this.#partitionIndex < this.#partitionsOf(this.topic).length) return true;
    this.#partitionIndex = 0;
    this.#topicIndex++;
    this.#skipEmpty();
    return !this.isAtEnd;
  }

  #skipEmpty(): void {
    while (!this.isAtEnd && this.#partitionsOf(this.topic).length === 0) this.#topicIndex++;
  }
}
