import { strict as assert } from "node:assert";
import { closeDescriptor, createEvent, Epoll, nativeMemory, READABLE, receive, send } from "../../storage/mod.ts";
import { Handoff } from "./handoff.ts";

async function connected(
  hostname = "127.0.0.1",
  at = hostname,
): Promise<{ peer: Deno.TcpConn; accepted: Deno.TcpConn }> {
  using listener = Deno.listen({ hostname: at, port: 0 });
  const port = listener.addr.port;
  const [peer, accepted] = await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
  return { peer, accepted };
}

/** Sends bytes in both directions of a connection whose one end was taken over. */
async function assertCarries(fd: number, peer: Deno.TcpConn): Promise<void> {
  const memory = nativeMemory(new ArrayBuffer(128));
  memory.bytes.set([1, 2, 3]);
  assert.equal(send(fd, memory.address, 3, { more: false }), 3);
  const received = new Uint8Array(8);
  assert.equal(await peer.read(received), 3);
  assert.deepEqual([...received.subarray(0, 3)], [1, 2, 3]);
  await peer.write(new Uint8Array([9, 8]));
  using epoll = new Epoll(1);
  epoll.add(fd, READABLE);
  assert.equal(epoll.wait(10_000), 1);
  assert.equal(receive(fd, memory.address, 128), 2);
  assert.equal(receive(fd, memory.address, 128), -1, "the socket does not block");
}

const ROUTES = [["127.0.0.1"], ["::1"], ["127.0.0.1", "0.0.0.0"], ["127.0.0.1", "::"], ["::1", "::"]] as const;

for (const [hostname, at = hostname] of ROUTES) {
  Deno.test(`Handoff.take() returns the descriptor of a connection from ${hostname} to ${at}, which the runtime has released`, async () => {
    using handoff = new Handoff();
    const { peer, accepted } = await connected(hostname, at);
    const fd = handoff.take(accepted);
    assert.equal(handoff.wasSearched, false);
    assert.throws(() => accepted.close(), Deno.errors.BadResource);
    await assertCarries(fd, peer);
    closeDescriptor(fd);
    assert.equal(await peer.read(new Uint8Array(1)), null, "nobody else keeps the socket open");
    peer.close();
  });
}

Deno.test("Handoff.take() takes many connections over, one after the other and side by side", async () => {
  using handoff = new Handoff();
  const taken: { fd: number; peer: Deno.TcpConn }[] = [];
  for (let round = 0; round < 20; round++) {
    const pairs = await Promise.all(Array.from({ length: 10 }, () => connected()));
    for (const { accepted, peer } of pairs) taken.push({ fd: handoff.take(accepted), peer });
  }
  for (const { fd, peer } of taken) await assertCarries(fd, peer);
  for (const { fd, peer } of taken) {
    closeDescriptor(fd);
    peer.close();
  }
});

Deno.test("Handoff.take() finds the descriptor by its addresses when the runtime does not report it", async () => {
  using handoff = new Handoff();
  const { peer, accepted } = await connected();
  const { remoteAddr, localAddr } = accepted;
  const silent = { remoteAddr, localAddr, close: () => accepted.close() } as Deno.TcpConn;
  const fd = handoff.take(silent);
  await assertCarries(fd, peer);
  closeDescriptor(fd);
  peer.close();
});

/** A connection as the runtime gives it, but with another descriptor number. */
function withDescriptor(connection: Deno.TcpConn, fd: number): Deno.TcpConn {
  const { remoteAddr, localAddr } = connection;
  return { remoteAddr, localAddr, close: () => connection.close(), [Symbol("Deno.internal.fd")]: fd } as never;
}

Deno.test("Handoff.take() changes no descriptor whose addresses differ from the connection's, whatever the runtime reports", async () => {
  using handoff = new Handoff();
  const other = await connected();
  const otherFd = handoff.take(other.accepted);
  const event = createEvent();
  // Another client's connection, a descriptor that is no socket, and a number that is not open.
  for (const reported of [otherFd, event, 1_000_000]) {
    const { peer, accepted } = await connected();
    const fd = handoff.take(withDescriptor(accepted, reported));
    assert.ok(fd !== reported && handoff.wasSearched);
    await assertCarries(fd, peer);
    closeDescriptor(fd);
    peer.close();
  }
  closeDescriptor(event);
  await assertCarries(otherFd, other.peer);
  closeDescriptor(otherFd);
  other.peer.close();
});

Deno.test("Handoff.take() throws NotConnected when the client disconnected before the take", async () => {
  using handoff = new Handoff();
  const { peer, accepted } = await connected();
  await accepted.write(new Uint8Array(10));
  // The close becomes a reset, because the client has not read the bytes.
  peer.close();
  assert.throws(() => handoff.take(accepted), Deno.errors.NotConnected);
  assert.throws(() => accepted.close(), Deno.errors.BadResource);
});

Deno.test("Handoff.take() closes a connection that it cannot take over", async () => {
  using handoff = new Handoff();
  const { peer, accepted } = await connected();
  const nowhere = { hostname: "127.0.0.1", port: 1, transport: "tcp" as const };
  const lost = { remoteAddr: nowhere, localAddr: nowhere, close: () => accepted.close() } as Deno.TcpConn;
  assert.throws(() => handoff.take(lost), /not found/);
  assert.equal(await peer.read(new Uint8Array(1)), null);
  peer.close();
});
