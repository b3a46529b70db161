/**
 * A connection that is transferred to a shard: from the acceptor, or from the shard that served it before. The descriptor belongs
 * to the isolate that reads the record. Runs on the main isolate and on shards.
 */
import type { Outbox, RingRecord } from "../../partitions/mod.ts";
import * as message from "../../partitions/shared/messages.ts";

/** What the next owner of a connection has to know of it. */
export interface ConnectionTransfer {
  readonly fd: number;
  /** Number of the listener that accepted it. */
  readonly listener: number;
  /** How often one shard has transferred it to another. */
  readonly transfers: number;
  /** What the main isolate counts it by (connection_limits.ts). */
  readonly peer: number;
}

/** Transfers a connection to the shard of this outbox. */
export function sendConnection(outbox: Outbox, transfer: ConnectionTransfer): void {
  const { ints, int } = outbox.begin(message.kind.connection);
  ints[int + message.connection.fd] = transfer.fd;
  ints[int + message.connection.listener] = transfer.listener;
  ints[int + message.connection.transfers] = transfer.transfers;
  ints[int + message.connection.peer] = transfer.peer;
  outbox.commit();
}

/** The transfer that a record carries, null when it is a record of another kind. */
export function transferOf({ ints, int }: RingRecord): ConnectionTransfer | null {
  if (ints[int] !== message.kind.connection) return null;
  return {
    fd: ints[int + message.connection.fd] as number,
    listener: ints[int + message.connection.listener] as number,
    transfers: ints[int + message.connection.transfers] as number,
    peer: ints[int + message.connection.peer] as number,
  };
}
