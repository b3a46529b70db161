/**
 * Topics that the consumers of a classic group subscribe to: their offsets do not expire and cannot be deleted. Runs on shards.
 *
 * The members' metadata is parsed when somebody asks, which is rare, not in each rebalance. It is bytes of a client:
 *
 *    int16 version · array of string topics · whatever the version adds (never looked at)
 *
 * Source: Kafka's ClassicGroup.computeSubscribedTopics, isSubscribedToTopic; ConsumerProtocolSubscription.json (version 0 is the
 * beginning of every version).
 */
import { Reader } from "../../../net/protocol/reader.ts";
import { areSameBytes } from "./protocol_votes.ts";

/** Protocol type of consumers; others (Connect) put something else into their metadata. */
export const CONSUMER_PROTOCOL_TYPE = "consumer";

/** A topic name takes at least its length. */
const TOPIC_BYTES_MIN = 2;

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
    if (!parseInto(topics, bytes)) return undefined;
    previous = bytes;
  }
  return topics;
}

function parseInto(topics: Set<string>, bytes: Uint8Array): boolean {
  const reader = new Reader(bytes);
  if (reader.int16() < 0) return false;
  for (let left = reader.count(TOPIC_BYTES_MIN); left > 0 && reader.failure === null; left--) {
    topics.add(reader.string());
  }
  return reader.failure === null;
}
