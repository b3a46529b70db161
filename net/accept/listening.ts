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
    if (!(error instanceof Error)) throw error;
    throw listenError(error.name, { address: `${at.host}:${at.port}`, portFlag: "--port", hostFlag: "--host" }) ??
      error;
  }
}

/**
 * Says why an address cannot be listened on.
 * @param name of the error of Deno.listen() @param about the address, and what chooses another port or host
 * @returns null for an error that says nothing about the address
 */
export function listenError(
  name: string,
  { address, portFlag, hostFlag }: { address: string; portFlag: string; hostFlag: string },
): ListenError | null {
  switch (name) {
    case "AddrInUse":
      return new ListenError(
        `${address} is in use: stop the program that listens there, or choose another ${portFlag}`,
      );
    case "AddrNotAvailable":
      return new ListenError(`${address} is no address of this machine: choose another ${hostFlag}`);
    case "PermissionDenied":
      return new ListenError(`${address} may not be used by this user: choose a ${portFlag} above 1023`);
    default:
      return null;
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
