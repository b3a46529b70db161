/**
 * Chooses the log directories of new replicas in a cluster: whoever writes the row chooses for all brokers. Main isolate.
 *
 * How many partitions the directories of other brokers have is not counted: chance evens them out. Of this broker, those that have failed
 * since it was registered are known.
 */
import { replicaDirectoryChooser } from "../../placement/directory_choice.ts";
import type { TopicTable } from "../topic_table.ts";
import type { SharedBrokers } from "./shared_brokers.ts";

/** What the choice depends on. */
export interface ReplicaDirectoriesParts {
  readonly nodeId: number;
  readonly table: TopicTable;
  readonly brokers: SharedBrokers;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Chooses directories for one change. @returns a function that gives the `directory.id` of each replica of the next partition */
export function replicaDirectories(
  { nodeId, table: { directories }, brokers, random }: ReplicaDirectoriesParts,
): (replicas: readonly number[]) => readonly string[] {
  const countOf = (id: string) => {
    const index = directories.indexOf(id);
    return index < 0 ? random() : directories.countOf(index);
  };
  const online = brokers.images().map((broker) => {
    const isOnline = (id: string) => broker.nodeId !== nodeId || directories.indexOf(id) >= 0;
    return { ...broker, directories: broker.directories.filter(isOnline) };
  });
  return replicaDirectoryChooser(online, countOf);
}
