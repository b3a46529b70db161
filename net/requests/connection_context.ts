/**
 * Facts about one connection and its client. The context is created when a shard receives the connection, and it moves along when the
 * connection is transferred. The router checks it before a request is handled and charges the request to it; handlers check
 * what a request names. Nothing else decides about access. Runs on shards.
 */
import { assert } from "../../storage/base/assert.ts";
import type { Reader } from "../protocol/reader.ts";
import type { Writer } from "../protocol/writer.ts";
import type { SaslExchange } from "./authentication/authentication.ts";
import { allowsAll, type Authorizer } from "./authorizer.ts";
import type { RefusedBatches } from "./produce/refused_batches.ts";
import { type ChargedClient, noQuotas, type Quotas } from "./quotas/quotas.ts";

/** Kafka's principal of clients that have not authenticated. */
export const ANONYMOUS = "User:ANONYMOUS";

/** Stands for "no broker" in an encoded context. */
const NO_BROKER = -1;

/** The two ends of a connection. */
export interface ConnectionEnds {
  /** Name of the listener that accepted it ("PLAINTEXT"). */
  readonly listenerName: string;
  /** The broker's own end of the connection, which Metadata advertises unless `advertised.listeners` is set. */
  readonly localHost: string;
  readonly localPort: number;
  /** Address from which the client connected. */
  readonly peerHost: string;
}

/** A connection as handlers see it. */
export interface ConnectionContext extends ConnectionEnds, ChargedClient {
  /** Authenticated principal; `ANONYMOUS` for a client that has not authenticated. */
  principal: string;
  /** Decides what the principal may do. */
  readonly authorizer: Authorizer;
  /** How much clients may use. */
  readonly quotas: Quotas;
  /** Node id of the broker of this cluster that the client has proved to be; null for any other client. */
  brokerId: number | null;
  /** The authentication that is under way. It is lost when the connection is transferred, and the client begins again. */
  sasl: SaslExchange | null;
  /** Client id of the latest request, "" when it sent none. */
  clientId: string;
  /** Client library and its version from ApiVersions v3; "unknown" before that request. */
  clientSoftware: string;
  /** Batches of idempotent producers that were refused; absent while there are none. */
  refusedBatches?: RefusedBatches;
}

/**
 * Encodes the facts about the client for the shard that the connection is transferred to. The client id is left out because each
 * request names it, and refused batches are left out because a connection that has some is not transferred.
 */
export function encodeContext(writer: Writer, { principal, brokerId, clientSoftware }: ConnectionContext): void {
  writer.string(principal);
  writer.int32(brokerId ?? NO_BROKER);
  writer.string(clientSoftware);
}

/** Decodes the context of a connection that another shard has transferred. @param reader stands at the bytes of `encodeContext()` */
export function decodeContext(reader: Reader, ends: ConnectionEnds, quotas: Quotas): ConnectionContext {
  const context = {
    ...newContext(ends, quotas),
    principal: reader.string(),
    brokerId: brokerOf(reader.int32()),
    clientSoftware: reader.string(),
  };
  assert(reader.failure === null && reader.remaining === 0, "a shard reads what a shard wrote");
  return context;
}

/** The context of a new connection: the client is anonymous, and everything is allowed. @param quotas of the shard */
export function newContext(ends: ConnectionEnds, quotas: Quotas = noQuotas): ConnectionContext {
  return {
    ...ends,
    principal: ANONYMOUS,
    authorizer: allowsAll,
    quotas,
    clientRates: null,
    brokerId: null,
    sasl: null,
    clientId: "",
    clientSoftware: "unknown",
  };
}

function brokerOf(id: number): number | null {
  return id === NO_BROKER ? null : id;
}
