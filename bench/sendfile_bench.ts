/**
 * The faster way to send a slice of a hot segment file: `sendfile`, or `pread` into the response and `send`. One call per iteration over
 * loopback to a sink that only receives. The threshold SENDFILE_BYTES_MIN in net/reactor/sender.ts is from this benchmark.
 *
 *   deno bench -A bench/sendfile_bench.ts
 */
import { Epoll, linuxFileSystem, nativeMemory, send, sendFile, WRITABLE } from "../storage/mod.ts";
import { Handoff } from "../net/accept/handoff.ts";

const FILE_BYTES = 64 * 1024 * 1024;
const SIZES = [4, 8, 16, 32, 64, 128, 256, 1024].map((kib) => kib * 1024);

const path = Deno.makeTempFileSync({ prefix: "barnabas-sendfile-" });
const file = linuxFileSystem.open(path, { write: true });
const memory = nativeMemory(new ArrayBuffer(1024 * 1024));
for (let position = 0; position < FILE_BYTES; position += memory.bytes.length) {
  linuxFileSystem.pwrite(file, memory, 0, memory.bytes.length, position);
}
Deno.removeSync(path);

const sink = `
  import { libc } from ${JSON.stringify(new URL("../storage/sys/libc.ts", import.meta.url).href)};
  import { nativeMemory } from ${JSON.stringify(new URL("../storage/sys/memory.ts", import.meta.url).href)};
  self.onmessage = ({ data: fd }) => {
    const memory = nativeMemory(new ArrayBuffer(1 << 20));
    const ready = nativeMemory(new ArrayBuffer(128));
    const epoll = libc.epoll_create1(0);
    ready.view.setUint32(0, 1, true);
    libc.epoll_ctl(epoll, 1, fd, ready.address);
    while (libc.recv(fd, memory.address, 1 << 20, 0x40) !== 0) libc.epoll_wait(epoll, ready.address, 1, 1000);
    self.close();
  };`;

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const handoff = new Handoff();
const [client, server] = await Promise.all([
  Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
  listener.accept(),
]);
const out = handoff.take(server);
const url = URL.createObjectURL(new Blob([sink], { type: "application/javascript" }));
new Worker(url, { type: "module" }).postMessage(handoff.take(client));
listener.close();

const epoll = new Epoll(4);
epoll.add(out, WRITABLE);

function sendAll(length: number): void {
  for (let sent = 0; sent < length;) {
    const count = send(out, memory.address + sent, length - sent, { more: false });
    if (count > 0) sent += count;
    else epoll.wait(1000);
  }
}

function sendFileAll(position: number, length: number): void {
  for (let sent = 0; sent < length;) {
    const count = sendFile(out, { fd: file, position: position + sent, length: length - sent });
    if (count > 0) sent += count;
    else epoll.wait(1000);
  }
}

let position = 0;
function next(size: number): number {
  position = (position + size) % (FILE_BYTES - size);
  return position;
}

for (const size of SIZES) {
  Deno.bench({ name: `pread + send`, group: `${size / 1024} KiB`, baseline: true }, () => {
    linuxFileSystem.pread(file, memory, 0, size, next(size));
    sendAll(size);
  });
  Deno.bench({ name: `sendfile`, group: `${size / 1024} KiB` }, () => sendFileAll(next(size), size));
}
