/**
 * Divides the descriptors of the process, so that neither clients nor partitions can take all of them. Logs keep what they need
 * to roll, to flush and to be read, and an administrator can always connect and delete a topic. Pure arithmetic: the main isolate
 * asks before it takes a connection or creates a partition.
 *
 *   limit = what is open before the broker starts + the broker's own + those of its HTTP listener, if it has one
 *         + WORKING for flushes, rolls, checkpoints and accepts + warm closed segments of each shard + slots
 *   slots = one for each partition (its active segment) and one for each connection, first come, first served; partitions leave
 *           `connectionsMin` of them
 *
 * Descriptors that the process opens later for other purposes are not counted. Therefore a connection that would get one of the
 * last numbers is refused too: the kernel gives the lowest free number first (storage/sys/descriptors.ts).
 */
import { descriptorsMax } from "../../storage/control.ts";

/** Descriptors of the metadata store, the lock and the listeners. A broker with one listener was seen to use 13. */
const OWN_DESCRIPTORS = 20;
/** Descriptors of a worker, with its epoll and eventfd: 7 or 8 were seen. */
const SHARD_DESCRIPTORS = 9;
/** Descriptors of a flush worker, one a log directory, with its epoll and eventfd: 8 were seen. */
const FLUSH_WORKER_DESCRIPTORS = 9;
/** Descriptors of the HTTP listener's worker, and its connections (net/http/server/http_limits.ts). */
export const HTTP_DESCRIPTORS = 10 + 128;
/**
 * What a shard needs at one time for flushes by themselves (four of two segments, three descriptors each), a roll, a snapshot and a
 * checkpoint.
 */
const WORKING_DESCRIPTORS = 32;
/** What a shard needs at one time for the group of flushes of a log directory (partitions/owned/group_flush.ts). */
const GROUP_DESCRIPTORS = 24;
/** What the main isolate needs at one time for checkpoints, the removal of topics, and connections on their way to a shard. */
const MAIN_WORKING_DESCRIPTORS = 24;
/** Largest share kept for this work when descriptors are few: not everything happens at the same time. */
const WORKING_SHARE_MAX = 1 / 4;
/** Share of the rest that closed segments may keep open. */
const WARM_SHARE = 1 / 4;
/** Closed segments that a shard keeps open at most, one descriptor each. */
const WARM_SEGMENTS_MAX = 256;
/** Connections that partitions leave room for, and the largest share of few slots that this may take. */
const CONNECTIONS_MIN = 64;
const CONNECTIONS_SHARE = 1 / 4;
/** Slots of a process that has too few descriptors for the shares above. It starts, and reports a shortage when one occurs. */
const SLOTS_MIN = 16;

/** Descriptors of the process when it starts. */
export interface Descriptors {
  /** How many it may have open; Infinity for no limit. */
  readonly limit: number;
  /** How many it has open. */
  readonly usedCount: number;
}

/** Slots in use. */
export interface SlotsTaken {
  /** Partitions. */
  readonly logs: number;
  /** Open connections. */
  readonly connections: number;
}

/** The shares of partitions, connections and closed segments. */
export class DescriptorBudget {
  /** Descriptors that the process may have open. */
  readonly limit: number;
  /** Partitions and connections that fit together. */
  readonly slots: number;
  /** Connections that partitions leave room for. */
  readonly connectionsMin: number;
  /** Closed segments that each shard may keep open. */
  readonly warmSegmentsMax: number;
  readonly #workingCount: number;

  /** Divides the descriptors. @param options log directories, and whether there is an HTTP listener */
  constructor(
    { limit, usedCount }: Descriptors,
    shardsCount: number,
    { directoriesCount = 1, hasHttp = false } = {},
  ) {
    this.limit = limit;
    const ofShard = WORKING_DESCRIPTORS + directoriesCount * GROUP_DESCRIPTORS;
    const working = MAIN_WORKING_DESCRIPTORS + shardsCount * ofShard;
    this.#workingCount = Math.min(working, Math.floor(limit * WORKING_SHARE_MAX));
    const workers = shardsCount * SHARD_DESCRIPTORS + directoriesCount * FLUSH_WORKER_DESCRIPTORS;
    const own = OWN_DESCRIPTORS + (hasHttp ? HTTP_DESCRIPTORS : 0);
    const rest = limit - usedCount - own - workers - this.#workingCount;
    const warm = Math.floor(rest * WARM_SHARE / shardsCount);
    this.warmSegmentsMax = Math.max(1, Math.min(WARM_SEGMENTS_MAX, warm));
    this.slots = Math.max(SLOTS_MIN, rest - shardsCount * this.warmSegmentsMax);
    this.connectionsMin = Math.min(CONNECTIONS_MIN, Math.floor(this.slots * CONNECTIONS_SHARE));
  }

  /** Partitions that can be open at most. */
  get logsMax(): number {
    return this.slots - this.connectionsMin;
  }

  /**
   * How many logs each shard may open at the start. When not all of them fit, each shard opens the same share of its logs.
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
   * Says why no connection may be taken now.
   * @param taken counts all partitions, including those that could not be opened @param nextDescriptor number of the next descriptor
   * @returns null when one may be taken
   */
  refuseConnection({ logs, connections }: SlotsTaken, nextDescriptor: number): string | null {
    const opened = Math.min(logs, this.logsMax);
    if (opened + connections < this.slots && nextDescriptor < this.limit - this.#workingCount) return null;
    return `descriptors are short: the process may have ${this.limit} (ulimit -n), ${opened} are for partitions, and ` +
      `${connections} connections are open`;
  }
}

/** Reads the limit of the process, counts what is open, and divides the rest. */
export async function descriptorBudget(
  { shardsCount, ...others }: { shardsCount: number; directoriesCount?: number; hasHttp?: boolean },
): Promise<DescriptorBudget> {
  const limit = descriptorsMax(await Deno.readTextFile("/proc/self/limits"));
  let usedCount = 0;
  for await (const _ of Deno.readDir("/proc/self/fd")) usedCount++;
  return new DescriptorBudget({ limit, usedCount }, shardsCount, others);
}
