import { strict as assert } from "node:assert";
import { nativeMemory, prepareConnection, send } from "../../storage/mod.ts";
import { SocketPair } from "./socket_testing.ts";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_KEEPALIVE = 9;
/** Bytes in a socket's send queue that were not sent. man 7 tcp has SIOCOUTQ; this is in linux/sockios.h. */
const SIOCOUTQNSD = 0x894bn;

const libc = Deno.dlopen("libc.so.6", {
  ioctl: { parameters: ["i32", "u64", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
}).symbols;

function unsentBytes(fd: number): number {
  const count = new Int32Array(1);
  assert.equal(libc.ioctl(fd, SIOCOUTQNSD, count), 0);
  return count[0]!;
}

function option(fd: number, name: number): number {
  const value = new Int32Array(1);
  assert.equal(libc.getsockopt(fd, SOL_SOCKET, name, value, new Int32Array([4])), 0);
  return value[0]!;
}

Deno.test("a prepared connection queues few unsent bytes for a peer that reads nothing, and allows many in flight", async () => {
  using pair = await SocketPair.open();
  prepareConnection(pair.fd, { send: -1, receive: -1 });
  const chunk = nativeMemory(new ArrayBuffer(64 * 1024));
  let taken = 0;
  let count: number;
  while ((count = send(pair.fd, chunk.address, chunk.bytes.length, { more: false })) > 0) taken += count;
  const unsent = unsentBytes(pair.fd);
  // It is full once more than this waits. The last call may take a chunk beyond it.
  assert.ok(unsent <= 128 * 1024 + 2 * chunk.bytes.length, `${unsent} bytes wait unsent`);
  assert.ok(taken > unsent, "what the peer's window takes is on its way");
});

Deno.test("a prepared connection makes the kernel find out when its peer has vanished", async () => {
  using pair = await SocketPair.open();
  assert.equal(option(pair.fd, SO_KEEPALIVE), 0);
  prepareConnection(pair.fd, { send: -1, receive: -1 });
  assert.equal(option(pair.fd, SO_KEEPALIVE), 1);
});

Deno.test("a prepared connection has the kernel's buffers for -1, otherwise the requested ones", async () => {
  using left = await SocketPair.open();
  const before = [option(left.fd, SO_SNDBUF), option(left.fd, SO_RCVBUF)];
  prepareConnection(left.fd, { send: -1, receive: -1 });
  assert.deepEqual([option(left.fd, SO_SNDBUF), option(left.fd, SO_RCVBUF)], before);
  using given = await SocketPair.open();
  prepareConnection(given.fd, { send: 20_000, receive: 30_000 });
  // man 7 socket: the kernel doubles what is asked for.
  assert.deepEqual([option(given.fd, SO_SNDBUF), option(given.fd, SO_RCVBUF)], [40_000, 60_000]);
});
