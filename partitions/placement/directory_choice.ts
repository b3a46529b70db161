/**
 * Chooses log directories for new partitions: of a broker's online directories the one with the fewest partitions, as in Kafka. Pure; the
 * main isolate.
 *
 * Source: Kafka's LogManager.nextLogDirs. There each broker chooses for itself and reports it (AssignReplicasToDirs); in a cluster of ours the
 * broker that creates the partition chooses for all, so that its row has the directories from the beginning.
 */
import { ZERO_UUID } from "../../storage/base/uuid.ts";

/** The log directories of a broker, as it registered them. */
export interface BrokerDirectories {
  readonly nodeId: number;
  /** The `directory.id` of each that is online. */
  readonly directories: readonly string[];
}

/**
 * Chooses one directory after the other. The choices count, as partitions.
 * @param directories at least one, each with its number of partitions
 * @returns a function that gives the `directory.id` for the next partition
 */
export function directoryChooser(
  directories: readonly { readonly id: string; readonly count: number }[],
): () => string {
  const filled = directories.map(({ id, count }) => ({ id, count }));
  return () => {
    const least = filled.reduce((best, directory) => directory.count < best.count ? directory : best);
    least.count++;
    return least.id;
  };
}

/**
 * Chooses a directory for each replica of partitions that one change creates.
 * @param brokers all that are registered
 * @param countOf number of partitions that a directory has, by `directory.id`
 * @returns a function that gives the `directory.id`s of the next partition, parallel to its replicas; 22 times "A" (Kafka's UNASSIGNED) for a
 *          broker that has no directory online: it chooses one when it is back
 */
export function replicaDirectoryChooser(
  brokers: Iterable<BrokerDirectories>,
  countOf: (directoryId: string) => number,
): (replicas: readonly number[]) => string[] {
  const choosers = new Map<number, () => string>();
  for (const { nodeId, directories } of brokers) {
    if (directories.length === 0) continue;
    choosers.set(nodeId, directoryChooser(directories.map((id) => ({ id, count: countOf(id) }))));
  }
  return (replicas) => replicas.map((nodeId) => choosers.get(nodeId)?.() ?? ZERO_UUID);
}
