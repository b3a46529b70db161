/**
 * Checks that this version of the runtime lets connections be taken over: the broker takes over one of its own before the first
 * client connects. The runtime promises none of what handoff.ts relies on, so a newer version could leave every client
 * hanging. Runs on the main isolate.
 */
import { closeDescriptor, nativeMemory, send } from "../../storage/control.ts";
import type { Handoff } from "./handoff.ts";

/** Connections cannot be taken over; the message is a sentence for the user. */
export class HandoffError extends Error {
  override name = "HandoffError";
}

/** A connection with both its ends. */
export interface OwnConnection {
  readonly client: Deno.TcpConn;
  readonly accepted: Deno.TcpConn;
}

/** Time for the client's end to see the bytes and the close: so long that a busy machine is not taken for a changed runtime. */
const CHECK_MS_MAX = 30_000;

const RUNTIME = `this is Deno ${Deno.version.deno}, and Barnabas is made for Deno 2.9`;

/**
 * Takes a connection over, sends through it and closes it.
 * @param open makes the connection; it returns null where that is impossible, and the check is skipped
 * @returns a sentence about what works differently than expected, or null
 * @throws HandoffError when taking over does not work
 */
export async function checkHandoff(handoff: Handoff, open = openOwnConnection): Promise<string | null> {
  const connection = await open();
  if (connection === null) return null;
  const { client, accepted } = connection;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    client.close();
  }, CHECK_MS_MAX);
  try {
    await assertTaken(handoff, { client, accepted });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = isLate
      ? "Cannot take a connection over: its client does not see it sent through, or closed"
      : message;
    throw new HandoffError(`${reason} (${RUNTIME})`, { cause: error });
  } finally {
    clearTimeout(timer);
    closeClient(client);
  }
  if (!handoff.wasSearched) return null;
  return `The runtime does not tell a connection's descriptor: each is looked for among all open ones, which takes longer (${RUNTIME})`;
}

async function assertTaken(handoff: Handoff, { client, accepted }: OwnConnection): Promise<void> {
  const bytes = new Uint8Array(8);
  const fd = handoff.take(accepted);
  try {
    if (
      send(fd, nativeMemory(new ArrayBuffer(128)).address, 1, { more: false }) !== 1 || await client.read(bytes) !== 1
    ) {
      throw new Error("Cannot take a connection over: the runtime shuts its socket down");
    }
  } finally {
    closeDescriptor(fd);
  }
  if (await client.read(bytes) !== null) throw new Error("Cannot take a connection over: others send through it");
}

/** Closes the client's end, unless the timer has done so. */
function closeClient(client: Deno.TcpConn): void {
  try {
    client.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Connects to itself over loopback. @returns null without permission or without loopback */
async function openOwnConnection(): Promise<OwnConnection | null> {
  const hostname = "127.0.0.1";
  const address = { name: "net", host: hostname } as const;
  if ((await Deno.permissions.query(address)).state !== "granted") return null;
  try {
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    const [client, accepted] = await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
    return { client, accepted };
  } catch (error) {
    const { AddrNotAvailable, NetworkUnreachable } = Deno.errors;
    if (error instanceof AddrNotAvailable || error instanceof NetworkUnreachable) return null;
    throw error;
  }
}
