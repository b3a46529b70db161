/**
 * Chooses the replicas of partitions that get more of them. Pure; `main.ts cluster raise`.
 *
 * Replicas stay where they are. A new one goes to the rack that has the fewest of the partition, and there to the broker that has the fewest
 * of all. Of the replicas, the one that is preferred by the fewest partitions becomes the preferred leader: of a broker that was alone, the
 * others take over leaderships (`auto.leader.rebalance.enable`).
 */

/** A broker that is active. */
export interface ListedBroker {
  readonly nodeId: number;
  readonly rack: string | null;
}

/** A partition of the cluster. */
export interface ListedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Node ids that it has when a reassignment that is under way has ended; the preferred leader first. */
  readonly replicas: readonly number[];
}

/**
 * Chooses replicas.
 * @param partitions all of the cluster: they say how many replicas each broker has
 * @param wanted how many replicas the partitions of some topics have at least; null: of all
 * @param brokers that are active, at least as many as replicas
 * @returns the partitions that get more replicas, with these
 */
export function raisedPartitions(
  partitions: readonly ListedPartition[],
  { replicationFactor, topics }: { readonly replicationFactor: number; readonly topics: readonly string[] | null },
  brokers: readonly ListedBroker[],
): ListedPartition[] {
  const named = topics === null ? null : new Set(topics);
  const isRaised = ({ topic, replicas }: ListedPartition) =>
    replicas.length < replicationFactor && (named === null || named.has(topic));
  const load = new Load(partitions, isRaised);
  return partitions.filter(isRaised).map(({ topic, partition, replicas }) => {
    const all = [...replicas];
    while (all.length < replicationFactor) {
      const next = load.nextOf(all, brokers);
      if (next === null) break;
      all.push(next);
    }
    return { topic, partition, replicas: load.led(all) };
  });
}

/** What brokers have. */
class Load {
  readonly #replicas = new Map<number, number>();
  readonly #preferred = new Map<number, number>();

  constructor(partitions: readonly ListedPartition[], isRaised: (partition: ListedPartition) => boolean) {
    for (const partition of partitions) {
      for (const broker of partition.replicas) add(this.#replicas, broker);
      if (!isRaised(partition)) add(this.#preferred, partition.replicas[0]);
    }
  }

  /** The broker of a partition's next replica; null when all brokers have one. */
  nextOf(replicas: readonly number[], brokers: readonly ListedBroker[]): number | null {
    const rackOf = (id: number) => brokers.find(({ nodeId }) => nodeId === id)?.rack ?? null;
    const inRack = (rack: string | null) => rack === null ? 0 : replicas.filter((id) => rackOf(id) === rack).length;
    const free = brokers.filter(({ nodeId }) => !replicas.includes(nodeId)).map(({ nodeId, rack }) => {
      return { nodeId, inRack: inRack(rack), count: this.#replicas.get(nodeId) ?? 0 };
    });
    free.sort((a, b) => a.inRack - b.inRack || a.count - b.count || a.nodeId - b.nodeId);
    const [best] = free;
    if (best === undefined) return null;
    add(this.#replicas, best.nodeId);
    return best.nodeId;
  }

  /** The replicas with the preferred leader first: the one that stays it, if others have no fewer partitions to lead. */
  led(replicas: readonly number[]): number[] {
    const countOf = (id: number) => this.#preferred.get(id) ?? 0;
    const first = replicas.reduce((best, id) => countOf(id) < countOf(best) ? id : best);
    add(this.#preferred, first);
    return [first, ...replicas.filter((id) => id !== first)];
  }
}

function add(counts: Map<number, number>, broker: number | undefined): void {
  if (broker !== undefined) counts.set(broker, (counts.get(broker) ?? 0) + 1);
}
