import { strict as assert } from "node:assert";
import { Handoff } from "./handoff.ts";
import { checkHandoff, HandoffError, type OwnConnection } from "./handoff_check.ts";

async function connected(): Promise<OwnConnection> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [client, accepted] = await Promise.all([Deno.connect({ port }), listener.accept()]);
  return { client, accepted };
}

async function opened(change: (accepted: Deno.TcpConn) => Partial<Deno.TcpConn>): Promise<OwnConnection> {
  const { client, accepted } = await connected();
  const { localAddr, remoteAddr } = accepted;
  return {
    client,
    accepted: { localAddr, remoteAddr, close: () => accepted.close(), ...change(accepted) } as Deno.TcpConn,
  };
}

Deno.test("checkHandoff() reports nothing about this runtime, and leaves nothing open", async () => {
  using handoff = new Handoff();
  let connection: OwnConnection | null = null;
  assert.equal(await checkHandoff(handoff, async () => connection = await connected()), null);
  // The kernel has forgotten both its ends, so no descriptor of either end is open.
  const { localAddr } = (connection as OwnConnection | null)!.accepted;
  const port = localAddr.port.toString(16).toUpperCase().padStart(4, "0");
  const open = (await Deno.readTextFile("/proc/self/net/tcp")).split("\n").filter((line) =>
    line.includes(`:${port} `) && / 01 /.test(line)
  );
  assert.deepEqual(open, []);
});

Deno.test("checkHandoff() warns when the runtime reports no descriptor of a connection, or a wrong one", async () => {
  using handoff = new Handoff();
  const fd = Symbol("Deno.internal.fd");
  for (const changed of [{}, { [fd]: 0 }, { [fd]: "17" }]) {
    const warning = await checkHandoff(handoff, () => opened(() => changed as Partial<Deno.TcpConn>));
    assert.match(warning ?? "", /does not tell a connection's descriptor.*\(this is Deno \d/);
  }
});

Deno.test("checkHandoff() refuses a runtime whose connections cannot be taken over, with a sentence", async () => {
  using handoff = new Handoff();
  const refused = async (reason: RegExp, change: (accepted: Deno.TcpConn) => Partial<Deno.TcpConn>) => {
    const check = checkHandoff(handoff, () => opened(change));
    await assert.rejects(check, (error) => error instanceof HandoffError && reason.test(error.message));
  };
  const nowhere = { hostname: "127.0.0.1", port: 1, transport: "tcp" } as const;
  await refused(/not found under .* made for Deno 2\.9/, () => ({ remoteAddr: nowhere }));
});

Deno.test("checkHandoff() refuses a runtime that shuts down a connection's socket when it closes the connection", async () => {
  using handoff = new Handoff();
  const { client, accepted } = await opened(() => ({}));
  // The placeholder normally prevents this: the runtime's close reaches the socket.
  const take = handoff.take.bind(handoff);
  handoff.take = (connection) => {
    const fd = take(connection);
    shutDown(fd);
    return fd;
  };
  await assert.rejects(checkHandoff(handoff, () => Promise.resolve({ client, accepted })), /shuts its socket down/);
});

Deno.test("checkHandoff() checks nothing when no connection can be made", async () => {
  using handoff = new Handoff();
  assert.equal(await checkHandoff(handoff, () => Promise.resolve(null)), null);
});

const { symbols } = Deno.dlopen("libc.so.6", { shutdown: { parameters: ["i32", "i32"], result: "i32" } });

function shutDown(fd: number): void {
  assert.equal(symbols.shutdown(fd, 2), 0);
}
