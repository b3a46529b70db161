/**
 * All shared memory of a broker, allocated once on the main isolate and posted to every shard. Plain data that crosses
 * isolates by structured clone (shared buffers are shared, not copied).
 */
import { createEvent } from "../../storage/sys/epoll.ts";
import { closeDescriptor } from "../../storage/sys/sockets.ts";
import { allocateArena } from "./arena.ts";
import { Inbox, IsolateTable, Outbox } from "./mail.ts";
import { allocateRing } from "./ring.ts";
import { InterestTable, WatermarkTable } from "./watermarks.ts";

/** What every isolate gets. Sender number `shardsCount` is the main isolate. */
export interface SharedState {
  readonly shardsCount: number;
  readonly watermarks: SharedArrayBuffer;
  readonly interest: SharedArrayBuffer;
  readonly isolates: SharedArrayBuffer;
  /** rings[from][to]; from runs to `shardsCount` (the main isolate), to over the shards. */
  readonly rings: SharedArrayBuffer[][];
  /** By shard. */
  readonly arenas: SharedArrayBuffer[];
  /** Descriptors of the eventfds, by shard. */
  readonly eventFds: number[];
}

/** Records in a ring: enough for every partition of a large fetch; fewer where many shards make many rings. */
const ringRecordsMax = (shardsCount: number) => shardsCount <= 8 ? 1024 : 128;

/** Allocates all of it. @param shardsCount shards of the broker */
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

/** Closes the descriptors; no isolate may use them any more. */
export function releaseSharedState(state: SharedState): void {
  for (const fd of state.eventFds) closeDescriptor(fd);
}

/** The ways out of one isolate, by receiving shard. @param from the sender's number */
export function outboxes(state: SharedState, from: number): Outbox[] {
  const isolates = new IsolateTable(state.isolates);
  const rings = state.rings[from] ?? [];
  return rings.map((ring, shard) => new Outbox(ring, { shard, eventFd: state.eventFds[shard] ?? -1, isolates }));
}

/** The way into a shard. */
export function inbox(state: SharedState, shard: number): Inbox {
  const isolates = new IsolateTable(state.isolates);
  const rings = state.rings.map((row) => row[shard]).filter((ring) => ring !== undefined);
  return new Inbox(rings, { shard, eventFd: state.eventFds[shard] ?? -1, isolates });
}
