/**
 * Incremental fetch sessions (KIP-227): the broker remembers what a client fetches, so that a request names only what changed
 * and a response only what has news. Runs on shards; each has its own cache for the connections it owns.
 *
 *   request (id, epoch)      what it means
 *   (any, -1)                no session; a named one is closed
 *   (any, 0)                 a new session, if there is room; a named one is closed
 *   (id, n)                  the next request of session id; n must be the expected epoch, which wraps from 2^31-1 to 1
 *
 * When a request names a partition twice, the last one counts, as in Kafka. The number of partitions that a shard remembers is limited.
 * A session beyond the limit is not created or is forgotten, and its client continues with full requests.
 *
 * Sessions of followers have a cache of their own, so they never compete with those of clients. An answer looks at the partitions that are
 * active (active_partitions.ts), not at all of the session. A session that was not used for FOLLOWER_IDLE_MS_MAX belongs to a broken
 * connection, and ends when the next one begins.
 *
 * Not done: Kafka also makes room for larger sessions by evicting smaller ones; here only idle ones are evicted.
 * Source: KIP-227, Kafka's FetchSession and FetchManager.
 */
import { errorCode } from "../../protocol/error_codes.ts";
import type { ActivePartitions } from "./active_partitions.ts";
import { FetchInterest } from "./fetch_interest.ts";
import type { FetchRequest } from "../../protocol/messages/01_fetch.ts";

/** A client's session. Id 0 means that it is not remembered. */
export interface FetchSession {
  readonly id: number;
  /** Epoch that the next request must carry. */
  nextEpoch: number;
  readonly usesTopicIds: boolean;
  /** Partitions in the order in which they are read. One that gave data goes to the end. */
  readonly interests: Map<string, FetchInterest>;
  /** The partitions that the next answer looks at, of a follower's session; null: all of them. */
  readonly active: ActivePartitions | null;
  lastUsedMs: number;
}

/** How a request is served. */
export type FetchPlan =
  | { readonly kind: "full"; readonly session: FetchSession | null; readonly interests: FetchInterest[] }
  | { readonly kind: "incremental"; readonly session: FetchSession; readonly interests: FetchInterest[] }
  | { readonly kind: "refused"; readonly errorCode: number };

/** What is different for sessions of followers. */
export interface FollowerSessionsOptions {
  readonly newActive: () => ActivePartitions;
}

const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const EPOCH_MAX = 0x7fff_ffff;
/** An idle session may be evicted after this time (Kafka's MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS). */
const EVICTION_MS_MIN = 120_000;
/** Largest number of partitions in all sessions of a shard, existing ones or not. Each takes about 300 bytes, all of them 20 MB. */
export const INTERESTS_MAX = 1 << 16;
/** Likewise for followers: four of them may follow as many partitions as a broker has. */
const FOLLOWER_INTERESTS_MAX = 1 << 18;
/** A follower fetches every `replica.fetch.wait.max.ms`. */
const FOLLOWER_IDLE_MS_MAX = 60_000;
/** First version that names topics by id. */
const TOPIC_ID_VERSION_MIN = 13;

/** The sessions of one shard. */
export class FetchSessions {
  readonly #sessions = new Map<number, FetchSession>();
  readonly #sessionsMax: number;
  readonly #random: () => number;
  readonly #followers: FollowerSessionsOptions | null;
  readonly #interestsMax: number;
  #interestsCount = 0;
  #evictedCount = 0;

  /**
   * @param sessionsMax the shard's share of `max.incremental.fetch.session.cache.slots`
   * @param random numbers in [0, 1) for session ids @param followers for a cache of followers' sessions
   */
  constructor(sessionsMax: number, random: () => number, followers: FollowerSessionsOptions | null = null) {
    this.#followers = followers;
    this.#interestsMax = followers === null ? INTERESTS_MAX : FOLLOWER_INTERESTS_MAX;
    this.#sessionsMax = sessionsMax;
    this.#random = random;
  }

  /** Partitions in all sessions. */
  get interestsCount(): number {
    return this.#interestsCount;
  }

  /** Sessions ever ended because others needed their place. */
  get evictedCount(): number {
    return this.#evictedCount;
  }

  /** Number of remembered sessions. */
  get count(): number {
    return this.#sessions.size;
  }

  /** Decides how a request is served and updates its session. @param nowMs monotonic time */
  plan(request: FetchRequest, apiVersion: number, nowMs: number): FetchPlan {
    const usesTopicIds = apiVersion >= TOPIC_ID_VERSION_MIN;
    if (request.sessionEpoch === FINAL_EPOCH || request.sessionEpoch === INITIAL_EPOCH) {
      this.end(request.sessionId);
      const interests = interestsOf(request);
      const wanted = request.sessionEpoch === INITIAL_EPOCH && interests.length > 0;
      const session = wanted ? this.#create(interests, usesTopicIds, nowMs) : null;
      return { kind: "full", session, interests };
    }
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) return { kind: "refused", errorCode: errorCode.FETCH_SESSION_ID_NOT_FOUND };
    if (session.nextEpoch !== request.sessionEpoch) {
      return { kind: "refused", errorCode: errorCode.INVALID_FETCH_SESSION_EPOCH };
    }
    if (session.usesTopicIds !== usesTopicIds) {
      return { kind: "refused", errorCode: errorCode.FETCH_SESSION_TOPIC_ID_ERROR };
    }
    if (!this.#update(session, request, nowMs)) {
      session.active?.end();
      return { kind: "refused", errorCode: errorCode.FETCH_SESSION_ID_NOT_FOUND };
    }
    const interests = session.active === null ? [...session.interests.values()] : session.active.list();
    return { kind: "incremental", session, interests };
  }

  /** Ends a session; does nothing when there is none of this id. */
  end(id: number): void {
    this.#sessions.get(id)?.active?.end();
    this.#forget(id);
  }

  #create(interests: FetchInterest[], usesTopicIds: boolean, nowMs: number): FetchSession | null {
    if (this.#followers !== null) { while (this.#evict(nowMs, FOLLOWER_IDLE_MS_MAX)); }
    if (this.#sessions.size >= this.#sessionsMax && !this.#evict(nowMs, EVICTION_MS_MIN)) return null;
    if (this.#interestsCount + interests.length > this.#interestsMax) return null;
    this.#interestsCount += interests.length;
    let id = 0;
    while (id === 0 || this.#sessions.has(id)) id = 1 + Math.floor(this.#random() * EPOCH_MAX);
    const byKey = new Map(interests.map((interest) => [keyOf(interest), interest]));
    const active = this.#followers?.newActive() ?? null;
    if (active !== null) { for (const interest of interests) active.add(interest); }
    const session = { id, nextEpoch: 1, usesTopicIds, interests: byKey, active, lastUsedMs: nowMs };
    this.#sessions.set(id, session);
    return session;
  }

  /** The map is in order of last use, because every use moves its session to the end. */
  #evict(nowMs: number, idleMs: number): boolean {
    const [oldest] = this.#sessions.values();
    if (oldest === undefined || nowMs - oldest.lastUsedMs < idleMs) return false;
    this.end(oldest.id);
    this.#evictedCount++;
    return true;
  }

  #forget(id: number): void {
    this.#interestsCount -= this.#sessions.get(id)?.interests.size ?? 0;
    this.#sessions.delete(id);
  }

  /** @returns false when the session was forgotten, because there is no room for its partitions */
  #update(session: FetchSession, request: FetchRequest, nowMs: number): boolean {
    this.#forget(session.id);
    for (const interest of interestsOf(request)) {
      const known = session.interests.get(keyOf(interest));
      if (known === undefined) session.interests.set(keyOf(interest), interest);
      else {
        known.fetchOffset = interest.fetchOffset;
        known.maxBytes = interest.maxBytes;
        known.currentLeaderEpoch = interest.currentLeaderEpoch;
        known.lastFetchedEpoch = interest.lastFetchedEpoch;
        known.logStartOffset = interest.logStartOffset;
      }
      session.active?.add(known ?? interest);
    }
    for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
      for (const partition of partitions) {
        const key = keyOf({ topic, topicId, partition });
        const forgotten = session.interests.get(key);
        if (forgotten !== undefined) session.active?.remove(forgotten);
        session.interests.delete(key);
      }
    }
    session.nextEpoch = session.nextEpoch === EPOCH_MAX ? 1 : session.nextEpoch + 1;
    session.lastUsedMs = nowMs;
    if (this.#interestsCount + session.interests.size > this.#interestsMax) return false;
    this.#interestsCount += session.interests.size;
    this.#sessions.set(session.id, session);
    return true;
  }
}

/** Moves a partition that gave data to the end, so that the others get their share of the next response. */
export function moveToEnd(session: FetchSession, interest: FetchInterest): void {
  const key = keyOf(interest);
  if (session.interests.get(key) !== interest) return;
  session.interests.delete(key);
  session.interests.set(key, interest);
}

function keyOf(of: { topic: string; topicId: string; partition: number }): string {
  return `${of.topicId}/${of.topic}/${of.partition}`;
}

function interestsOf(request: FetchRequest): FetchInterest[] {
  const interests: FetchInterest[] = [];
  for (const topic of request.topics) {
    for (const wanted of topic.partitions) interests.push(new FetchInterest(topic, wanted));
  }
  if (!namesTwice(request)) return interests;
  return [...new Map(interests.map((interest) => [keyOf(interest), interest])).values()];
}

/** Whether a request names a topic, or a partition of a topic, twice. It makes no key per partition for requests without repetition. */
function namesTwice({ topics }: FetchRequest): boolean {
  if (new Set(topics.map(({ topic, topicId }) => topicId + topic)).size < topics.length) return true;
  return topics.some(({ partitions }) => {
    const isAscending = partitions.every(({ partition }, index) =>
      index === 0 || partition > (partitions[index - 1]?.partition ?? partition)
    );
    return !isAscending && new Set(partitions.map(({ partition }) => partition)).size < partitions.length;
  });
}
