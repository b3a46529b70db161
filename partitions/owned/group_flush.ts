/**
 * Flushes that acknowledgements wait for (`flush.messages`), in groups: one flush covers everything that all partitions of the shard in
 * one log directory, and all their producers, have appended meanwhile. Each log directory has its own groups, so that records on one
 * disk do not wait for another one, which may be slow. Runs on shards; other threads execute the flushes.
 *
 *   append ──► written, invisible ──► gathered ──end of a turn──► group under way ──► high watermark moves ──► answers
 *                                         ▲                             │
 *                                         └── appends gather here until the group has ended
 *
 * The shard does not wait: partitions whose topics do not flush are served meanwhile. (Kafka flushes within the append, under the lock of
 * the log, and occupies a thread for each request.)
 *
 * Always: one group a directory is under way. A partition that cannot flush now, because a file could not be opened, tries again after a pause; one
 * whose flush failed never does. A group opens no more descriptors than net/accept/descriptor_budget.ts keeps for it.
 */
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";

/** Most partitions of one group. The others are first in the next group. */
const GROUP_PARTITIONS_MAX = 64;
/** Descriptors that a group has opened before it takes another partition, which needs eight at most: closed segments, small files. */
const GROUP_DESCRIPTORS_MAX = 16;
/** Pause before a flush that could not be executed is tried again. */
const RETRY_MS = 100;

/** Makes the files of several requests durable on another thread; `done` runs on a later turn, with an outcome for each request. */
export type FlushAll = (
  requests: readonly FlushRequest[],
  done: (outcomes: readonly FlushOutcome[]) => void,
) => void;

/** What a group needs of a partition. */
export interface GroupMember {
  /** Begins its flush. @returns null when there is nothing to flush now */
  beginFlush(): FlushRequest | null;
  endFlush(request: FlushRequest, outcome: FlushOutcome): void;
}

/** The group flushes of one shard, by log directory. */
export class GroupFlushes {
  readonly #groups: readonly GroupFlush[];
  /** Index of the log directory, by slot. */
  readonly #directories = new Map<number, number>();

  /** @param partitions of the shard, by slot @param by what executes a group of each log directory, and monotonic time in ms */
  constructor(
    partitions: ReadonlyMap<number, GroupMember>,
    by: { flush: readonly FlushAll[]; nowMs: () => number },
  ) {
    this.#groups = by.flush.map((flush) => new GroupFlush(partitions, { flush, nowMs: by.nowMs }));
  }

  /** When `retry()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    let deadlineMs = Infinity;
    for (const group of this.#groups) deadlineMs = Math.min(deadlineMs, group.nextDeadlineMs);
    return deadlineMs;
  }

  /** Says where a partition's log is, before its first flush. @param directory index of the log directory */
  place(slot: number, directory: number): void {
    this.#directories.set(slot, directory);
  }

  /** The log of a partition is closed. */
  remove(slot: number): void {
    this.#directories.delete(slot);
  }

  /** Records of a partition wait for a flush; nothing happens when it was removed. @param isRetry its last flush could not be executed */
  add(slot: number, isRetry: boolean): void {
    const directory = this.#directories.get(slot);
    if (directory !== undefined) this.#groups[directory]?.add(slot, isRetry);
  }

  /** Gathers the partitions whose pause is over. @param nowMs monotonic time */
  retry(nowMs: number): void {
    for (const group of this.#groups) group.retry(nowMs);
  }

  /** Begins a group in each directory in which partitions have gathered and none is under way. Called at the end of each turn. */
  begin(): void {
    for (const group of this.#groups) group.begin();
  }

  /** From now on no group begins. */
  stop(): void {
    for (const group of this.#groups) group.stop();
  }
}

/** The group flushes of one shard in one log directory. */
export class GroupFlush {
  readonly #partitions: ReadonlyMap<number, GroupMember>;
  readonly #flush: FlushAll;
  readonly #nowMs: () => number;
  /** Slots of partitions for the next group, in order of arrival. */
  readonly #gathered = new Set<number>();
  /** Slots of partitions that try again after a pause. */
  readonly #retrying = new Set<number>();
  #retryMs = Infinity;
  #isUnderWay = false;
  #isStopped = false;

  /** @param partitions of the shard, by slot @param by what executes a group, and monotonic time in ms */
  constructor(partitions: ReadonlyMap<number, GroupMember>, by: { flush: FlushAll; nowMs: () => number }) {
    this.#partitions = partitions;
    this.#flush = by.flush;
    this.#nowMs = by.nowMs;
  }

  /** When `retry()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    return this.#retryMs;
  }

  /** Records of a partition wait for a flush. @param isRetry its last flush could not be executed */
  add(slot: number, isRetry: boolean): void {
    if (!isRetry) {
      this.#gathered.add(slot);
      return;
    }
    this.#retrying.add(slot);
    if (this.#retryMs === Infinity) this.#retryMs = this.#nowMs() + RETRY_MS;
  }

  /** Gathers the partitions whose pause is over. @param nowMs monotonic time */
  retry(nowMs: number): void {
    if (nowMs < this.#retryMs) return;
    this.#retryMs = Infinity;
    for (const slot of this.#retrying) this.#gathered.add(slot);
    this.#retrying.clear();
  }

  /** Begins a group of what has gathered, unless one is under way. Called at the end of each turn. */
  begin(): void {
    if (this.#gathered.size === 0 || this.#isUnderWay || this.#isStopped) return;
    const members: GroupMember[] = [];
    const requests: FlushRequest[] = [];
    let openedCount = 0;
    for (const slot of this.#gathered) {
      if (members.length === GROUP_PARTITIONS_MAX || openedCount >= GROUP_DESCRIPTORS_MAX) break;
      this.#gathered.delete(slot);
      const partition = this.#partitions.get(slot);
      const request = partition?.beginFlush() ?? null;
      if (partition === undefined || request === null) continue;
      openedCount += request.ownedFds.length;
      members.push(partition);
      requests.push(request);
    }
    if (requests.length === 0) return;
    this.#isUnderWay = true;
    this.#flush(requests, (outcomes) => {
      this.#isUnderWay = false;
      for (const [index, partition] of members.entries()) {
        partition.endFlush(requests[index] as FlushRequest, outcomes[index] as FlushOutcome);
      }
    });
  }

  /** From now on no group begins. */
  stop(): void {
    this.#isStopped = true;
  }
}
