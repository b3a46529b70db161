/**
 * Topics that the consumers of a classic group subscribe to: their offsets do not expire and cannot be deleted. Runs on shards.
 *
 * The members' metadata is parsed when somebody asks, which is rare, not in each rebalance.
 *
 * Source: Kafka's ClassicGroup.computeSubscribedTopics, isSubscribedToTopic.
 */
import { subscribedTopics } from "../records/consumer_protocol.ts";
import { areSameBytes } from "./protocol_votes.ts";

/** What the members of one generation subscribe to. */
export class SubscribedTopics {
  readonly #metadata: readonly Uint8Array[];
  /** null: not looked at yet; undefined: somebody's metadata is not a subscription. */
  #topics: ReadonlySet<string> | null | undefined = null;

  /** @param metadata of each member, of the protocol that the group uses */
  constructor(metadata: readonly Uint8Array[]) {
    this.#metadata = metadata;
  }

  /** Their names; undefined when somebody's metadata is not a subscription. */
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
