/**
 * Chooses the brokers of new partitions. Pure; the main isolate runs it for CreateTopics and CreatePartitions.
 *
 * The replicas of a partition are spread over racks first, then over brokers. The racks are taken in turn, from one that moves on with
 * each partition; within a rack its brokers are, from one that moves on too, and fenced brokers only after all others:
 *
 *   racks a: 1 2 3 · b: 4 5 6 · c: 7 8 9         partition 0: 1 4 7 · 1: 5 8 2 · 2: 9 3 6
 *
 * The leader is never fenced. Stopping brokers get nothing. After as many partitions as there are brokers that are not fenced, all are
 * shuffled, so that not the same brokers lead and follow together again. Racks of different sizes load their brokers differently, because
 * racks come first.
 *
 * Source: Kafka's StripedReplicaPlacer of 4.3.1, with its sentences, its random choices and its turns. One difference: Kafka numbers the
 * partitions from 0 again after each shuffle, and takes a rack that had its last turn at number 0 for one that has had its turn. Three
 * brokers in three racks then lead 4, 5 and 1 of ten partitions with one replica. Here numbers go on.
 * Not done: where racks and the brokers of a rack have a factor in common, as with three racks of three, the turns of the two coincide, and
 * until the next shuffle the same brokers lead, as with Kafka's. With one replica this cannot happen.
 */
import type { BrokerImage } from "../metadata/image.ts";

/** A registered broker. */
export type PlaceableBroker = Pick<BrokerImage, "nodeId" | "rack" | "state">;

/** Node ids by partition, the preferred leader first. */
export type Replicas = readonly (readonly number[])[];

/** Gives one of the integers from 0 to `bound` - 1, by chance. `bound` is at least 1. */
export type Choose = (bound: number) => number;

/**
 * Places partitions.
 * @param wanted how many partitions, and how many replicas each has
 * @param brokers all that are registered
 * @returns the replicas, or the sentence with which Kafka refuses them (INVALID_REPLICATION_FACTOR)
 */
export function placeReplicas(
  wanted: { readonly count: number; readonly replicationFactor: number },
  brokers: readonly PlaceableBroker[],
  choose: Choose,
): Replicas | { readonly refused: string } {
  const { count, replicationFactor } = wanted;
  const usable = brokers.filter(({ state }) => state !== "stopping");
  const refused = refuse(replicationFactor, usable);
  if (refused !== null) return { refused };
  const racks = new Racks(usable, choose);
  return Array.from({ length: count }, () => racks.place(replicationFactor));
}

function refuse(replicationFactor: number, usable: readonly PlaceableBroker[]): string | null {
  if (replicationFactor <= 0) {
    return `Invalid replication factor ${replicationFactor}: the replication factor must be positive.`;
  }
  if (!usable.some(({ state }) => state === "active")) return "All brokers are currently fenced.";
  if (replicationFactor <= usable.length) return null;
  return `The target replication factor of ${replicationFactor} cannot be reached because only ${usable.length} broker(s) ` +
    "are registered.";
}

/** Brokers that are taken in turn, each once in a round. */
class Turns {
  readonly #nodeIds: number[];
  readonly #choose: Choose;
  #offset: number;
  #taken = 0;
  #round = 0;

  constructor(nodeIds: number[], choose: Choose) {
    this.#nodeIds = nodeIds.sort((a, b) => a - b);
    this.#choose = choose;
    this.#offset = nodeIds.length === 0 ? 0 : choose(nodeIds.length);
  }

  /** @returns null when all were taken in this round */
  next(round: number): number | null {
    const count = this.#nodeIds.length;
    if (count === 0) return null;
    if (this.#round !== round) {
      this.#round = round;
      this.#taken = 0;
      this.#offset = (this.#offset + 1) % count;
    }
    if (this.#taken >= count) return null;
    return this.#nodeIds[(this.#taken++ + this.#offset) % count] as number;
  }

  shuffle(): void {
    shuffle(this.#nodeIds, this.#choose);
  }
}

class Rack {
  readonly #fenced: Turns;
  readonly #unfenced: Turns;

  constructor(brokers: readonly PlaceableBroker[], choose: Choose) {
    const idsOf = (isFenced: boolean) =>
      brokers.filter(({ state }) => (state === "fenced") === isFenced).map(({ nodeId }) => nodeId);
    this.#fenced = new Turns(idsOf(true), choose);
    this.#unfenced = new Turns(idsOf(false), choose);
  }

  nextUnfenced(round: number): number | null {
    return this.#unfenced.next(round);
  }

  next(round: number): number | null {
    return this.#unfenced.next(round) ?? this.#fenced.next(round);
  }

  shuffle(): void {
    this.#fenced.shuffle();
    this.#unfenced.shuffle();
  }
}

/** All racks. A round is the placement of one partition. */
class Racks {
  readonly #racks: Rack[];
  readonly #unfencedCount: number;
  readonly #choose: Choose;
  #round = 0;
  #offset: number;

  constructor(brokers: readonly PlaceableBroker[], choose: Choose) {
    const byName = Map.groupBy(brokers, ({ rack }) => rack);
    // No rack comes before the others (OptionalStringComparator).
    const names = [...byName.keys()].sort((a, b) => a === null ? -1 : b === null ? 1 : a < b ? -1 : 1);
    this.#racks = names.map((name) => new Rack(byName.get(name) ?? [], choose));
    this.#unfencedCount = brokers.filter(({ state }) => state === "active").length;
    this.#choose = choose;
    this.#offset = choose(names.length);
  }

  /** The replicas of the next partition. @param replicationFactor at most the number of brokers, one of which is not fenced */
  place(replicationFactor: number): number[] {
    const isRepeating = this.#round > 0 && this.#round % this.#unfencedCount === 0;
    if (isRepeating && this.#unfencedCount > 1) this.#shuffle();
    this.#offset %= this.#racks.length;
    const [leader, leaderRack] = this.#leader();
    const replicas = [leader];
    let [at, skipped] = [this.#offset, leaderRack as number | null];
    while (replicas.length < replicationFactor) {
      // The leader's rack has had its turn.
      const nodeId = at === skipped ? null : this.#racks[at]?.next(this.#round) ?? null;
      if (at === skipped) skipped = null;
      if (nodeId !== null) replicas.push(nodeId);
      at = (at + 1) % this.#racks.length;
    }
    this.#round++;
    this.#offset++;
    return replicas;
  }

  /** The first broker that is not fenced, from the offset on, and its rack. */
  #leader(): [nodeId: number, rack: number] {
    for (let at = this.#offset;; at = (at + 1) % this.#racks.length) {
      const nodeId = this.#racks[at]?.nextUnfenced(this.#round) ?? null;
      if (nodeId !== null) return [nodeId, at];
    }
  }

  #shuffle(): void {
    shuffle(this.#racks, this.#choose);
    for (const rack of this.#racks) rack.shuffle();
  }
}

/** Collections.shuffle of Java. */
function shuffle<T>(items: T[], choose: Choose): void {
  for (let size = items.length; size > 1; size--) {
    const other = choose(size);
    [items[size - 1], items[other]] = [items[other] as T, items[size - 1] as T];
  }
}
