/**
 * The topics that the consumers of a classic group subscribe to. Their offsets do not expire and cannot be deleted. Runs on shards.
 *
 * The members' metadata is parsed only when the topics are needed, which is rare, not in each rebalance.
 *
 * Source: Kafka's ClassicGroup.computeSubscribedTopics, isSubscribedToTopic.
 */
import { subscribedTopics } from "../records/consumer_protocol.ts";
import { areSameBytes } from "./protocol_votes.ts";

/** The subscribed topics of one generation. */
export class SubscribedTopics {
  readonly #metadata: readonly Uint8Array[];
  /** null: not parsed yet; undefined: the metadata of a member is not a subscription. */
  #topics: ReadonlySet<string> | null | undefined = null;

  /** @param metadata of each member for the protocol that the group uses */
  constructor(metadata: readonly Uint8Array[]) {
    this.#metadata = metadata;
  }

  /** Names of the topics; undefined when the metadata of a member is not a subscription. */
  get topics(): ReadonlySet<string> | undefined {
    if (this.#topics === null) this.#topics = parseAll(this.#metadata);
    return this.#topics;
  }
}

function parseAll(metadata: readonly Uint8Array[]): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  let previous: Uint8Array | null = null;
  for (const bytes of metadata) {
    if (previous !== null && areSameBytes(previous, bytes)) continue;
    const subscribed = subscribedTopics(bytes);
    if (subscribed === null) return undefined;
    for (const topic of subscribed) topics.add(topic);
    previous = bytes;
  }
  return topics;
}
