/**
 * A follower's fetch session with one leader (KIP-227): the leader remembers which partitions are fetched, and from where, so that a request
 * names only what has changed. Pure; shards.
 *
 *   none --request names all, epoch 0--> answer with a session --> requests name changes, epoch 1, 2, …
 *   any --the leader has forgotten it, or the connection is lost--> none
 *
 * Must always hold: what the leader was told last of a partition is what is known here of it. A partition that waits for something here is
 * forgotten there: its leader would answer at once, again and again, with what is not wanted yet. A request has a bounded size: what does not
 * fit comes in the next one, before what has changed since.
 * Source: Kafka's FetchSessionHandler.
 */
import type { Offset } from "../../../storage/base/units.ts";
import { type FetchPlace, isSamePlace } from "../follower_rules.ts";

/** A session id that stands for none, the epoch that asks for a new session, and the last epoch. */
const NO_SESSION = 0;
const FIRST_EPOCH = 0;
const EPOCH_MAX = 0x7fff_ffff;
/** Partitions of one request: each may have a topic of its own, and a request has REQUEST_ELEMENTS_MAX elements at most (net/protocol/api.ts). */
export const NAMED_MAX = 6000;

/** A partition. */
export interface SessionPartition {
  readonly topicId: string;
  readonly partition: number;
}

/** What a request says of one partition. @template Replica who gets the answer */
export interface NamedFetch<Replica> extends SessionPartition {
  readonly place: FetchPlace;
  readonly logStartOffset: Offset;
  readonly replica: Replica;
}

/** What a request says. */
export interface FetchNames<Replica> {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly named: readonly NamedFetch<Replica>[];
  readonly forgotten: readonly SessionPartition[];
  /** Whether there is more to say, in the next request: this one must not wait. */
  readonly isPart: boolean;
}

interface Entry<Replica> extends SessionPartition {
  wanted: NamedFetch<Replica> | null;
  /** What the leader was told, perhaps in an earlier session. */
  told: NamedFetch<Replica> | null;
}

/** The session. */
export class FetchSession<Replica> {
  readonly #byTopic = new Map<string, Map<number, Entry<Replica>>>();
  /** Entries of which the leader has to be told something. */
  readonly #changed = new Set<Entry<Replica>>();
  #id = NO_SESSION;
  #epoch = FIRST_EPOCH;
  #wantedCount = 0;

  /** Whether nothing is to be fetched. */
  get isEmpty(): boolean {
    return this.#wantedCount === 0;
  }

  /** Whether the leader keeps the session. */
  get isIncremental(): boolean {
    return this.#id !== NO_SESSION;
  }

  /** What the last request asked of a partition; null when nothing. */
  asked(topicId: string, partition: number): NamedFetch<Replica> | null {
    return this.#byTopic.get(topicId)?.get(partition)?.told ?? null;
  }

  /** Fetches a partition from now on, or from another place. */
  want(fetch: NamedFetch<Replica>): void {
    const entry = this.#entryOf(fetch);
    if (entry.wanted === null) this.#wantedCount++;
    entry.wanted = fetch;
    if (entry.told !== null && isSame(entry.told, fetch)) this.#changed.delete(entry);
    else this.#changed.add(entry);
  }

  /** Fetches a partition no more. */
  forget({ topicId, partition }: SessionPartition): void {
    const entry = this.#byTopic.get(topicId)?.get(partition);
    if (entry === undefined || entry.wanted === null) return;
    this.#wantedCount--;
    entry.wanted = null;
    if (entry.told !== null) this.#changed.add(entry);
    else this.#remove(entry);
  }

  /** What the next request says. It counts as sent. */
  next(): FetchNames<Replica> {
    const { isIncremental } = this;
    if (!isIncremental) this.#tellAll();
    const named: NamedFetch<Replica>[] = [];
    const forgotten: SessionPartition[] = [];
    for (const entry of this.#changed) {
      if (named.length + forgotten.length === NAMED_MAX) break;
      const { topicId, partition, wanted } = entry;
      this.#changed.delete(entry);
      entry.told = wanted;
      if (wanted !== null) named.push(wanted);
      else {
        this.#remove(entry);
        if (isIncremental) forgotten.push({ topicId, partition });
      }
    }
    const isPart = this.#changed.size > 0;
    return { sessionId: this.#id, sessionEpoch: this.#epoch, named, forgotten, isPart };
  }

  /** The leader has answered without an error. @param sessionId as it says; 0 when it keeps none */
  answered(sessionId: number): void {
    if (sessionId === NO_SESSION) return this.end();
    this.#id = sessionId;
    this.#epoch = this.#epoch === EPOCH_MAX ? FIRST_EPOCH + 1 : this.#epoch + 1;
  }

  /** The leader does not know the session: the next request names everything. */
  end(): void {
    this.#id = NO_SESSION;
    this.#epoch = FIRST_EPOCH;
  }

  /** The leader knows nothing. Those that the last request had no room for come first. */
  #tellAll(): void {
    for (const entries of this.#byTopic.values()) {
      for (const entry of entries.values()) {
        entry.told = null;
        this.#changed.add(entry);
      }
    }
  }

  #entryOf({ topicId, partition }: SessionPartition): Entry<Replica> {
    let entries = this.#byTopic.get(topicId);
    if (entries === undefined) this.#byTopic.set(topicId, entries = new Map());
    let entry = entries.get(partition);
    if (entry === undefined) entries.set(partition, entry = { topicId, partition, wanted: null, told: null });
    return entry;
  }

  #remove(entry: Entry<Replica>): void {
    const { topicId, partition } = entry;
    this.#changed.delete(entry);
    const entries = this.#byTopic.get(topicId);
    entries?.delete(partition);
    if (entries?.size === 0) this.#byTopic.delete(topicId);
  }
}

function isSame<Replica>(one: NamedFetch<Replica>, other: NamedFetch<Replica>): boolean {
  return one.replica === other.replica && one.logStartOffset === other.logStartOffset &&
    isSamePlace(one.place, other.place);
}
