/**
 * Who and what a connection is, made once when a shard receives it. The router asks it whether a request may be handled and charges
 * it, handlers ask it about what a request names; nobody else decides. Runs on shards.
 */
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
