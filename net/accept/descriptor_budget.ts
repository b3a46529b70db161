/**
 * Who gets how many of the process's descriptors, so that neither clients nor partitions can take all of them: logs keep what they need
 * to roll, to flush and to be read, and an administrator can always connect and delete a topic. Arithmetic; the main isolate asks it
 * before it takes a connection or creates a partition.
 *
 *   limit = what is open before the broker starts + the broker's own + WORKING for flushes, rolls, checkpoints and accepts
 *         + warm closed segments of each shard + slots
 *   slots = one for each partition (its active segment) and one for each connection, whoever comes first; partitions leave
 *           `connectionsMin` of them
 *
 * Whatever else the process opens afterwards is not counted. Therefore a connection that would get one of the last numbers is not
 * taken either: descriptors are given out lowest number first (storage/sys/descriptors.ts).
 */
import { descriptorsMax } from "../../storage/control.ts";

/** The metadata store's, the lock's, the listeners': 13 seen, of a broker with one listener. */
const OWN_DESCRIPTORS = 20;
/** A worker's own, with its epoll and eventfd: 7 or 8 seen. */
const SHARD_DESCRIPTORS = 9;
/** What a shard needs at a time for flushes (four of two segments, three each), a roll, a snapshot, a checkpoint. */
const WORKING_DESCRIPTORS = 32;
/** What the main isolate needs at a time for checkpoints, the removal of topics, and connections on their way to a shard. */
const MAIN_WORKING_DESCRIPTORS = 24;
/** Most of few descriptors that is kept for all this work: not everything is under way at a time. */
const WORKING_SHARE_MAX = 1 / 4;
/** Part of the rest that closed segments may keep open. */
const WARM_SHARE = 1 / 4;
/** Most closed segments that a shard keeps open, one descriptor each. */
const WARM_SEGMENTS_MAX = 256;
/** Connections that partitions leave room for, and the part of few slots that it may be. */
const CONNECTIONS_MIN = 64;
const CONNECTIONS_SHARE = 1 / 4;
/** Slots of a process that has too few descriptors for all the above: it starts, and says what it lacks when it lacks it. */
const SLOTS_MIN = 16;

/** What the process has when it starts. */
export interface Descriptors {
  /** That it may have open, Infinity for no limit. */
  readonly limit: number;
  /** That it has open. */
  readonly usedCount: number;
}

/** Who has slots. */
export interface SlotsTaken {
  /** Partitions. */
  readonly logs: number;
  /** Open connections. */
  readonly connections: number;
}

/** The shares. */
export class DescriptorBudget {
  /** Descriptors that the process may have. */
  readonly limit: number;
  /** Partitions and connections that fit. */
  readonly slots: number;
  /** Connections that partitions leave room for. */
  readonly connectionsMin: number;
  /** Closed segments that each shard may keep open. */
  readonly warmSegmentsMax: number;
  readonly #workingCount: number;

  /** Divides the descriptors. */
  constructor({ limit, usedCount }: Descriptors, shardsCount: number) {
    this.limit = limit;
    const working = MAIN_WORKING_DESCRIPTORS + shardsCount * WORKING_DESCRIPTORS;
    this.#workingCount = Math.min(working, Math.floor(limit * WORKING_SHARE_MAX));
    const rest = limit - usedCount - OWN_DESCRIPTORS - shardsCount * SHARD_DESCRIPTORS - this.#workingCount;
    const warm = Math.floor(rest * WARM_SHARE / shardsCount);
    this.warmSegmentsMax = Math.max(1, Math.min(WARM_SEGMENTS_MAX, warm));
    this.slots = Math.max(SLOTS_MIN, rest - shardsCount * this.warmSegmentsMax);
    this.connectionsMin = Math.min(CONNECTIONS_MIN, Math.floor(this.slots * CONNECTIONS_SHARE));
  }

  /** Most partitions that can be open. */
  get logsMax(): number {
    return this.slots - this.connectionsMin;
  }

  /**
   * How many logs each shard may open at the start, when there are more than fit: as many of its own as of all.
   * @param counts partitions by shard
   */
  logsOfShards(counts: readonly number[]): number[] {
    const all = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => all <= this.logsMax ? count : Math.floor(this.logsMax * count / all));
  }

  /** How many partitions may be created now. */
  roomForLogs({ logs, connections }: SlotsTaken): number {
    return Math.max(0, this.slots - Math.max(connections, this.connectionsMin) - logs);
  }

  /**
   * Why no connection may be taken now, null when one may.
   * @param taken with all partitions, also those that could not be opened @param nextDescriptor number that the next one gets
   */
  refuseConnection({ logs, connections }: SlotsTaken, nextDescriptor: number): string | null {
    const opened = Math.min(logs, this.logsMax);
    if (opened + connections < this.slots && nextDescriptor < this.limit - this.#workingCount) return null;
    return `descriptors are short: the process may have ${this.limit} (ulimit -n), ${opened} are for partitions, and ` +
      `${connections} connections are open`;
  }
}

/** Reads the process's limit, counts what is open, and divides the rest. */
export async function descriptorBudget(shardsCount: number): Promise<DescriptorBudget> {
  const limit = descriptorsMax(await Deno.readTextFile("/proc/self/limits"));
  let usedCount = 0;
  for await (const _ of Deno.readDir("/proc/self/fd")) usedCount++;
  return new DescriptorBudget({ limit, usedCount }, shardsCount);
}
