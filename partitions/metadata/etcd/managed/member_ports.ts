/**
 * The ports of an etcd that the broker starts: the ones asked for, else those of the last start, else free ones. Main isolate.
 */
import { MetadataStoreError } from "../../store/store.ts";
import type { EtcdPorts } from "./etcd_command.ts";

/** Ports on 127.0.0.1; 0: free ones, which later starts keep. */
export type RequestedPorts = EtcdPorts;

/** The ports of `--etcd managed`. The package of Debian starts an etcd of its own at etcd's usual ones, 2379 and 2380. */
export const MANAGED_PORTS: RequestedPorts = { clientPort: 2391, peerPort: 2392 };

/** Chooses the ports. @param before those of the last start @throws MetadataStoreError when one that was asked for is in use */
export function choosePorts(requested: RequestedPorts, before: EtcdPorts | null): EtcdPorts {
  const hint =
    `. If another broker of this machine runs its etcd there, name it: --etcd http://127.0.0.1:${requested.clientPort}`;
  // Both are held until both are chosen, so that they differ.
  using client = reserve(requested.clientPort, { before: before?.clientPort, hint });
  using peer = reserve(requested.peerPort, { before: before?.peerPort });
  return { clientPort: client.addr.port, peerPort: peer.addr.port };
}

/** Takes a port. @param before taken when any will do, unless it is in use @param hint ends the sentence of a refusal */
function reserve(requested: number, { before = 0, hint = "" }: { before?: number; hint?: string }): Deno.TcpListener {
  const free = listen(requested || before) ?? (requested === 0 ? listen(0) : null);
  if (free !== null) return free;
  throw new MetadataStoreError(`Cannot start etcd: port ${requested} of 127.0.0.1 is in use${hint}`);
}

function listen(port: number): Deno.TcpListener | null {
  try {
    return Deno.listen({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}
