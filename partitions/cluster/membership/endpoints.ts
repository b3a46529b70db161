/**
 * Where brokers reach each other, and whether somebody listens there. Main isolate.
 */
import type { Listener } from "../../config/broker/listeners.ts";

/** An address. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What a knock finds: the connection was refused, so the process is gone; somebody listens; nobody can tell. */
export type Found = "refused" | "accepted" | "unknown";

/** Finds out whether somebody listens at an address. @param signal ends the attempt */
export type Knock = (endpoint: Endpoint, signal: AbortSignal) => Promise<Found>;

/** A packet that is lost is sent again after a second: a later answer is no news. */
const KNOCK_MS_MAX = 1000;

/** Address at which other brokers reach one. @param name of the listener for brokers; the first one where there is none of this name */
export function endpointOf({ listeners }: { readonly listeners: readonly Listener[] }, name: string): Endpoint {
  const { host = "", port = 0 } = listeners.find((listener) => listener.name === name) ?? listeners[0] ?? {};
  return { host, port };
}

/** Knocks by connecting. */
export const knockByConnecting: Knock = async ({ host, port }, signal) => {
  try {
    const either = AbortSignal.any([signal, AbortSignal.timeout(KNOCK_MS_MAX)]);
    const connection = await Deno.connect({ hostname: host, port, signal: either });
    connection.close();
    return "accepted";
  } catch (error) {
    // Of another failure nothing follows: the session decides.
    return error instanceof Deno.errors.ConnectionRefused ? "refused" : "unknown";
  }
};
