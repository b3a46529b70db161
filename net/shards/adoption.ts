/**
 * A connection on its way to a shard: from the acceptor, or from another shard that it moves away from. The descriptor belongs to
 * whoever reads the record. Runs on the main isolate and on shards.
 */
import type { Outbox, RingRecord } from "../../partitions/mod.ts";
import * as message from "../../partitions/shared/messages.ts";

/** A connection that changes hands. */
export interface Adoption {
  readonly fd: number;
  /** Number of the listener that accepted it. */
  readonly listener: number;
  /** How often it has moved. */
  readonly moves: number;
  /** What the main isolate counts it by (connection_limits.ts). */
  readonly peer: number;
}

/** Sends a connection to the shard of this outbox. */
export function sendAdoption(outbox: Outbox, adoption: Adoption): void {
  const { ints, int } = outbox.begin(message.kind.adopt);
  ints[int + message.adopt.fd] = adoption.fd;
  ints[int + message.adopt.listener] = adoption.listener;
  ints[int + message.adopt.moves] = adoption.moves;
  ints[int + message.adopt.peer] = adoption.peer;
  outbox.commit();
}

/** The connection of a record, null when it is a record of another kind. */
export function adoptionOf({ ints, int }: RingRecord): Adoption | null {
  if (ints[int] !== message.kind.adopt) return null;
  return {
    fd: ints[int + message.adopt.fd] as number,
    listener: ints[int + message.adopt.listener] as number,
    moves: ints[int + message.adopt.moves] as number,
    peer: ints[int + message.adopt.peer] as number,
  };
}
