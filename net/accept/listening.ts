/**
 * Listens on the broker's addresses, and says in a sentence why that is not possible. Main isolate, at the start.
 */
import type { Acceptor } from "./acceptor.ts";

/** An address cannot be listened on. The message names the remedy. */
export class ListenError extends Error {
  override name = "ListenError";
}

/** Listens on an address. @returns the port, also where 0 was asked for @throws ListenError */
export function listenOn(acceptor: Acceptor, at: { host: string; port: number }): number {
  try {
    return acceptor.listen(at);
  } catch (error) {
    const address = `${at.host}:${at.port}`;
    if (error instanceof Deno.errors.AddrInUse) {
      throw new ListenError(`${address} is in use: stop the program that listens there, or choose another --port`);
    }
    if (error instanceof Deno.errors.AddrNotAvailable) {
      throw new ListenError(`${address} is no address of this machine: choose another --host`);
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new ListenError(`${address} may not be used by this user: choose a --port above 1023`);
    }
    throw error;
  }
}

/** For a client's `bootstrap.servers`: every listener, comma-separated. @param ports of the listeners */
export function bootstrapServers(listeners: readonly { readonly host: string }[], ports: readonly number[]): string {
  return listeners.map(({ host }, index) => bootstrapAddress(host, ports[index] ?? 0)).join(",");
}

function bootstrapAddress(host: string, port: number): string {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return reachable.includes(":") ? `[${reachable}]:${port}` : `${reachable}:${port}`;
}
