/**
 * All shared memory of a broker: the main isolate allocates it once and posts it to every shard. Plain data that crosses isolates by
 * structured clone, which shares shared buffers instead of copying them.
 */
import { createEvent } from "../../storage/sys/epoll.ts";
import { closeDescriptor } from "../../storage/sys/sockets.ts";
import { allocateArena } from "./arena.ts";
import { Inbox, IsolateTable, Outbox } from "./mail.ts";
import { PartitionTraffic } from "./counters/partition_traffic.ts";
import { ShardCounters } from "./counters/shard_counters.ts";
import { type RateMemory, RateTable } from "./rate_table.ts";
import { allocateRing } from "./ring.ts";
import { InterestTable, WatermarkTable } from "./watermarks.ts";

/**
 * The shared memory. Sender number `shardsCount` is the main isolate, `shardsCount + 1 + n` the flush worker of the n-th log directory:
 * `flushWorkerNumber()`.
 */
export interface SharedState {
  readonly shardsCount: number;
  readonly watermarks: SharedArrayBuffer;
  readonly interest: SharedArrayBuffer;
  readonly isolates: SharedArrayBuffer;
  /** What each shard counts for the metrics (counters/shard_counters.ts), by shard. */
  readonly counters: SharedArrayBuffer[];
  /** What each shard counts of partitions (counters/partition_traffic.ts), by shard. */
  readonly traffic: SharedArrayBuffer[];
  readonly rates: RateMemory;
  /** rings[from][to]: `from` is the number of a sender, `to` is a shard. */
  readonly rings: SharedArrayBuffer[][];
  /** flushRings[directory][from]: the rings to the flush worker of a log directory, by the shard that sends. */
  readonly flushRings: SharedArrayBuffer[][];
  /** By shard. */
  readonly arenas: SharedArrayBuffer[];
  /** Descriptors of the eventfds, by shard. */
  readonly eventFds: number[];
  /** Descriptors of the flush workers' eventfds, by log directory. */
  readonly flushEventFds: number[];
}

/** Records in a ring: enough for every partition of a large fetch. Brokers with many shards have many rings, so theirs are smaller. */
const ringRecordsMax = (shardsCount: number) => shardsCount <= 8 ? 1024 : 128;

/** Records in a ring to or from a flush worker: more than those of the one group that a shard has under way there (owned/group_flush.ts). */
const FLUSH_RING_RECORDS_MAX = 64;

/** Allocates the shared memory. @param shardsCount shards of the broker @param directoriesCount its log directories */
export function allocateSharedState(shardsCount: number, directoriesCount = 1): SharedState {
  const shards = Array.from({ length: shardsCount }, (_, shard) => shard);
  const ring = () => allocateRing(ringRecordsMax(shardsCount));
  const flushRings = () => shards.map(() => allocateRing(FLUSH_RING_RECORDS_MAX));
  const byDirectory = <T>(make: () => T) => Array.from({ length: directoriesCount }, make);
  return {
    shardsCount,
    watermarks: WatermarkTable.allocate(),
    interest: InterestTable.allocate(shardsCount),
    isolates: IsolateTable.allocate(shardsCount + directoriesCount),
    counters: shards.map(ShardCounters.allocate),
    traffic: shards.map(PartitionTraffic.allocate),
    rates: RateTable.allocate(shardsCount),
    rings: [...Array.from({ length: shardsCount + 1 }, () => shards.map(ring)), ...byDirectory(flushRings)],
    flushRings: byDirectory(flushRings),
    arenas: shards.map(allocateArena),
    eventFds: shards.map(createEvent),
    flushEventFds: byDirectory(createEvent),
  };
}

/** Closes the eventfds; no isolate may use them afterwards. */
export function releaseSharedState(state: SharedState): void {
  for (const fd of [...state.eventFds, ...state.flushEventFds]) closeDescriptor(fd);
}

/** The outboxes of one isolate, by receiving shard. @param from the sender's number */
export function outboxes(state: SharedState, from: number): Outbox[] {
  const isolates = new IsolateTable(state.isolates);
  const rings = state.rings[from] ?? [];
  return rings.map((ring, shard) => new Outbox(ring, { shard, eventFd: state.eventFds[shard] ?? -1, isolates }));
}

/** The inbox of a shard. */
export function inbox(state: SharedState, shard: number): Inbox {
  const isolates = new IsolateTable(state.isolates);
  const rings = state.rings.map((row) => row[shard]).filter((ring) => ring !== undefined);
  return new Inbox(rings, { shard, eventFd: state.eventFds[shard] ?? -1, isolates });
}

/** The words that shards, main isolate and the flush worker of a log directory share about the worker. */
export class FlushWorkerWords {
  readonly #isolates: IsolateTable;
  readonly #row: number;

  /** @param state the shared memory @param directory of the worker */
  constructor(state: SharedState, directory: number) {
    this.#isolates = new IsolateTable(state.isolates);
    this.#row = state.shardsCount + directory;
  }

  /** Reads a word. @param index from FLUSH_WORKER */
  get(index: number): number {
    return this.#isolates.get(this.#row, index);
  }

  /** Writes a word; only its one writer calls it. @param index from FLUSH_WORKER */
  set(index: number, value: number): void {
    this.#isolates.set(this.#row, index, value);
  }
}

/** A shard's outbox to the flush worker of a log directory. */
export function flushOutbox(state: SharedState, { shard, directory }: { shard: number; directory: number }): Outbox {
  return new Outbox(state.flushRings[directory]?.[shard] as SharedArrayBuffer, flushReceiver(state, directory));
}

/** The inbox of a log directory's flush worker; its senders have the numbers of the shards. */
export function flushInbox(state: SharedState, directory: number): Inbox {
  return new Inbox(state.flushRings[directory] ?? [], flushReceiver(state, directory));
}

/** The outboxes of a log directory's flush worker, by receiving shard. */
export function flushWorkerOutboxes(state: SharedState, directory: number): Outbox[] {
  return outboxes(state, flushWorkerNumber(state.shardsCount, directory));
}

/** Number of a log directory's flush worker as a sender. */
export function flushWorkerNumber(shardsCount: number, directory: number): number {
  return shardsCount + 1 + directory;
}

function flushReceiver(state: SharedState, directory: number): ConstructorParameters<typeof Inbox>[1] {
  const eventFd = state.flushEventFds[directory] ?? -1;
  return { shard: state.shardsCount + directory, eventFd, isolates: new IsolateTable(state.isolates) };
}
