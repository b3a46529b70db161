/**
 * Who and what a connection is, made once when a shard receives it, and kept when another shard does. The router asks it whether a request may be handled and charges
 * it, handlers ask it about what a request names; nobody else decides. Runs on shards.
 */
import { assert } from "../../storage/base/assert.ts";
import type { Reader } from "../protocol/reader.ts";
import type { Writer } from "../protocol/writer.ts";
import { allowsAll, type Authorizer } from "./authorizer.ts";
import type { RefusedBatches } from "./produce/refused_batches.ts";
import { noQuotas, type Quotas } from "./quotas.ts";

/** What a connection is made of. */
export interface ConnectionEnds {
  /** Name of the listener that accepted it ("PLAINTEXT"). */
  readonly listenerName: string;
  /** The broker's own end of the connection: what Metadata advertises unless `advertised.listeners` is set. */
  readonly localHost: string;
  readonly localPort: number;
  /** Address that the client connected from. */
  readonly peerHost: string;
}

/** A connection as handlers see it. */
export interface ConnectionContext extends ConnectionEnds {
  /** Authenticated principal; "User:ANONYMOUS" until security comes. */
  readonly principal: string;
  /** What the principal may do. */
  readonly authorizer: Authorizer;
  /** What it may use. */
  readonly quotas: Quotas;
  /** Client id of the latest request, "" when it sent none. */
  clientId: string;
  /** Client library and its version from ApiVersions v3, "unknown" before. */
  clientSoftware: string;
  /** Batches of idempotent producers that were refused; absent: none was. */
  refusedBatches?: RefusedBatches;
}

/**
 * Encodes what is known of the client, for the shard that the connection is transferred to. Each request names the client id anew, and
 * refused batches tie a connection to its shard.
 */
export function encodeContext(writer: Writer, { principal, clientSoftware }: ConnectionContext): void {
  writer.string(principal);
  writer.string(clientSoftware);
}

/** The context of a connection that another shard has transferred. @param reader stands at what `encodeContext()` wrote */
export function decodeContext(reader: Reader, ends: ConnectionEnds): ConnectionContext {
  const context = {
    ...newContext(ends),
    principal: reader.string(),
    clientSoftware: reader.string(),
  };
  assert(reader.failure === null && reader.remaining === 0, "a shard reads what a shard wrote");
  return context;
}

/** The context of a new connection: nobody has said who he is, everything is allowed, nothing is counted. */
export function newContext(ends: ConnectionEnds): ConnectionContext {
  return {
    ...ends,
    principal: "User:ANONYMOUS",
    authorizer: allowsAll,
    quotas: noQuotas,
    clientId: "",
    clientSoftware: "unknown",
  };
}
