/**
 * All shared memory of a broker: the main isolate allocates it once and posts it to every shard. Plain data that crosses isolates by
 * structured clone, which shares shared buffers instead of copying them.
 */
import { createEvent } from "../../storage/sys/epoll.ts";
import { closeDescriptor } from "../../storage/sys/sockets.ts";
import { allocateArena } from "./arena.ts";
import { Inbox, IsolateTable, Outbox } from "./mail.ts";
import { allocateRing } from "./ring.ts";
import { InterestTable, WatermarkTable } from "./watermarks.ts";

/** The shared memory. Sender number `shardsCount` is the main isolate, `shardsCount + 1` the flush worker. */
export interface SharedState {
  readonly shardsCount: number;
  readonly watermarks: SharedArrayBuffer;
  readonly interest: SharedArrayBuffer;
  readonly isolates: SharedArrayBuffer;
  /** rings[from][to]: `from` is the number of a sender, `to` is a shard. */
  readonly rings: SharedArrayBuffer[][];
  /** Rings to the flush worker, by the shard that sends. */
  readonly flushRings: SharedArrayBuffer[];
  /** By shard. */
  readonly arenas: SharedArrayBuffer[];
  /** Descriptors of the eventfds, by shard. */
  readonly eventFds: number[];
  /** Descriptor of the flush worker's eventfd. */
  readonly flushEventFd: number;
}

/** Records in a ring: enough for every partition of a large fetch. Brokers with many shards have many rings, so theirs are smaller. */
const ringRecordsMax = (shardsCount: number) => shardsCount <= 8 ? 1024 : 128;

/** Records in a ring to or from the flush worker: more than those of the one group that a shard has under way (owned/group_flush.ts). */
const FLUSH_RING_RECORDS_MAX = 64;

/** Allocates the shared memory. @param shardsCount shards of the broker */
export function allocateSharedState(shardsCount: number): SharedState {
  const shards = Array.from({ length: shardsCount }, (_, shard) => shard);
  const ring = () => allocateRing(ringRecordsMax(shardsCount));
  const flushRing = () => allocateRing(FLUSH_RING_RECORDS_MAX);
  return {
    shardsCount,
    watermarks: WatermarkTable.allocate(),
    interest: InterestTable.allocate(shardsCount),
    isolates: IsolateTable.allocate(shardsCount + 1),
    rings: [...Array.from({ length: shardsCount + 1 }, () => shards.map(ring)), shards.map(flushRing)],
    flushRings: shards.map(flushRing),
    arenas: shards.map(allocateArena),
    eventFds: shards.map(createEvent),
    flushEventFd: createEvent(),
  };
}

/** Closes the eventfds; no isolate may use them afterwards. */
export function releaseSharedState(state: SharedState): void {
  for (const fd of state.eventFds) closeDescriptor(fd);
  closeDescriptor(state.flushEventFd);
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

/** The words that shards, main isolate and flush worker share about the worker. */
export class FlushWorkerWords {
  readonly #isolates: IsolateTable;
  readonly #row: number;

  /** @param state the shared memory */
  constructor(state: SharedState) {
    this.#isolates = new IsolateTable(state.isolates);
    this.#row = state.shardsCount;
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

/** A shard's outbox to the flush worker. */
export function flushOutbox(state: SharedState, shard: number): Outbox {
  return new Outbox(state.flushRings[shard] as SharedArrayBuffer, flushReceiver(state));
}

/** The inbox of the flush worker; its senders have the numbers of the shards. */
export function flushInbox(state: SharedState): Inbox {
  return new Inbox(state.flushRings, flushReceiver(state));
}

/** The outboxes of the flush worker, by receiving shard. */
export function flushWorkerOutboxes(state: SharedState): Outbox[] {
  return outboxes(state, state.shardsCount + 1);
}

function flushReceiver(state: SharedState): { shard: number; eventFd: number; isolates: IsolateTable } {
  return { shard: state.shardsCount, eventFd: state.flushEventFd, isolates: new IsolateTable(state.isolates) };
}
