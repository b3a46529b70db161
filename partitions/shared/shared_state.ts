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

/** The shared memory. Sender number `shardsCount` is the main isolate. */
export interface SharedState {
  readonly shardsCount: number;
  readonly watermarks: SharedArrayBuffer;
  readonly interest: SharedArrayBuffer;
  readonly isolates: SharedArrayBuffer;
  /** rings[from][to]: `from` is a shard or `shardsCount` (the main isolate), `to` is a shard. */
  readonly rings: SharedArrayBuffer[][];
  /** By shard. */
  readonly arenas: SharedArrayBuffer[];
  /** Descriptors of the eventfds, by shard. */
  readonly eventFds: number[];
}

/** Records in a ring: enough for every partition of a large fetch. Brokers with many shards have many rings, so theirs are smaller. */
const ringRecordsMax = (shardsCount: number) => shardsCount <= 8 ? 1024 : 128;

/** Allocates the shared memory. @param shardsCount shards of the broker */
export function allocateSharedState(shardsCount: number): SharedState {
  const shards = Array.from({ length: shardsCount }, (_, shard) => shard);
  const ring = () => allocateRing(ringRecordsMax(shardsCount));
  return {
    shardsCount,
    watermarks: WatermarkTable.allocate(),
    interest: InterestTable.allocate(shardsCount),
    isolates: IsolateTable.allocate(shardsCount),
    rings: Array.from({ length: shardsCount + 1 }, () => shards.map(ring)),
    arenas: shards.map(allocateArena),
    eventFds: shards.map(createEvent),
  };
}

/** Closes the eventfds; no isolate may use them afterwards. */
export function releaseSharedState(state: SharedState): void {
  for (const fd of state.eventFds) closeDescriptor(fd);
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
