/**
 * A connection on its way to a shard, from the acceptor or from the shard that served it before. The descriptor belongs
 * to the isolate that reads the record. Runs on the main isolate and on shards.
 */
import type { Outbox, RingRecord } from "../../partitions/mod.ts";
import * as message from "../../partitions/shared/messages.ts";

/** What the next owner has to know about a connection. */
export interface ConnectionTransfer {
  readonly fd: number;
  /** Index of the listener that accepted it. */
  readonly listener: number;
  /** How often one shard has transferred it to another. */
  readonly transfers: number;
  /** Number by which the main isolate counts it (connection_limits.ts), or under which the shard has asked for it. */
  readonly peer: number;
  /** Who made it: message.connectionRole; a client by default. */
  readonly role?: number;
  /** Position of its context in the arena of the shard that transfers it; absent while it has none. */
  readonly context?: ContextRange;
}

/** Bytes at the start of a block of an arena. The reader reports when it has read them. */
export interface ContextRange {
  readonly block: number;
  readonly length: number;
}

/** Transfers a connection to the shard of this outbox. */
export function sendConnection(outbox: Outbox, transfer: ConnectionTransfer): void {
  const { ints, int } = outbox.begin(message.kind.connection);
  ints[int + message.connection.fd] = transfer.fd;
  ints[int + message.connection.listener] = transfer.listener;
  ints[int + message.connection.transfers] = transfer.transfers;
  ints[int + message.connection.peer] = transfer.peer;
  ints[int + message.connection.block] = transfer.context?.block ?? 0;
  ints[int + message.connection.length] = transfer.context?.length ?? 0;
  ints[int + message.connection.role] = transfer.role ?? message.connectionRole.client;
  outbox.commit();
}

/** The transfer in a record, null for a record of another kind. */
export function transferOf({ ints, int }: RingRecord): ConnectionTransfer | null {
  if (ints[int] !== message.kind.connection) return null;
  const length = ints[int + message.connection.length] as number;
  return {
    fd: ints[int + message.connection.fd] as number,
    listener: ints[int + message.connection.listener] as number,
    transfers: ints[int + message.connection.transfers] as number,
    peer: ints[int + message.connection.peer] as number,
    role: ints[int + message.connection.role] as number,
    context: length === 0 ? undefined : { block: ints[int + message.connection.block] as number, length },
  };
}

/** The block whose context has been read, null for a record of another kind. */
export function takenContextOf({ ints, int }: RingRecord): number | null {
  return ints[int] === message.kind.connectionTaken ? ints[int + message.taken.block] as number : null;
}
