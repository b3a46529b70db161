/**
 * Sockets by descriptor: receive, send, sendfile, options and addresses. Non-blocking throughout. Runs on shards; the main
 * isolate uses it to take accepted connections over. Source: man 2 recv, send, sendfile, getsockname; man 7 tcp.
 */
import { libc, SystemError, word64 } from "./libc.ts";
import { nativeMemory } from "./memory.ts";

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_NOTSENT_LOWAT = 25;
const AF_INET = 2;
const AF_INET6 = 10;

const scratch = nativeMemory(new ArrayBuffer(256));

/**
 * Receives the bytes that have arrived.
 * @param address where the bytes go @param length room there
 * @returns bytes received; 0 when the peer closed; -1 when nothing has arrived or the socket failed (epoll tells which)
 */
export function receive(fd: number, address: number, length: number): number {
  return libc.recv(fd, word64(address), word64(length), MSG_DONTWAIT);
}

/**
 * Sends as much as fits into the socket's buffer.
 * @param options more: further bytes follow at once, so a partial packet may wait for them
 * @returns bytes taken; -1 when none fit or the socket failed (epoll tells which)
 */
export function send(fd: number, address: number, length: number, options: { more: boolean }): number {
  return libc.send(fd, word64(address), word64(length), MSG_DONTWAIT | MSG_NOSIGNAL | (options.more ? MSG_MORE : 0));
}

/**
 * Moves file bytes to a socket inside the kernel.
 * @param slice the file's descriptor, the position of the first byte, and how many
 * @returns bytes moved; 0 at the end of the file; -1 when none fit or one side failed
 */
export function sendFile(fd: number, slice: { fd: number; position: number; length: number }): number {
  scratch.view.setUint32(0, slice.position % 0x1_0000_0000, true);
  scratch.view.setUint32(4, Math.floor(slice.position / 0x1_0000_0000), true);
  return libc.sendfile(fd, slice.fd, word64(scratch.address), word64(slice.length));
}

function setOption(fd: number, level: number, name: number, value: number): void {
  scratch.view.setInt32(16, value, true);
  libc.setsockopt(fd, level, name, word64(scratch.address + 16), 4);
}

/**
 * Unsent bytes with which a socket counts as full. A fast reader may still have megabytes in flight, and a slow one costs no more
 * than this. 128 KiB was the fastest of 64 KiB to 1 MiB.
 */
const UNSENT_BYTES_MAX = 128 * 1024;

/**
 * Prepares a connection. Small packets leave at once (TCP_NODELAY), and few bytes wait unsent (TCP_NOTSENT_LOWAT). The kernel finds
 * a peer that vanished (SO_KEEPALIVE, which Kafka sets too), after net.ipv4.tcp_keepalive_time, even while a request of it waits,
 * when the broker does not count it as idle. The kernel's buffers get the sizes of `socket.send.buffer.bytes` and
 * `socket.receive.buffer.bytes`.
 * @param buffers sizes in bytes; with -1 the kernel fits the buffer to the connection
 */
export function prepareConnection(fd: number, buffers: { readonly send: number; readonly receive: number }): void {
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX);
  if (buffers.send > 0) setOption(fd, SOL_SOCKET, SO_SNDBUF, buffers.send);
  if (buffers.receive > 0) setOption(fd, SOL_SOCKET, SO_RCVBUF, buffers.receive);
}

/** Address of a socket's end. */
export interface SocketAddress {
  host: string;
  port: number;
}

function readAddress(): SocketAddress | null {
  const family = scratch.view.getUint16(32, true);
  const port = scratch.view.getUint16(34);
  if (family === AF_INET) return { host: scratch.bytes.slice(36, 40).join("."), port };
  if (family !== AF_INET6) return null;
  const groups = Array.from({ length: 8 }, (_, i) => scratch.view.getUint16(40 + 2 * i).toString(16));
  return { host: canonicalHost(groups.join(":")), port };
}

/** IPv4 inside IPv6, as URLs write it: the last two groups are the address. */
const MAPPED_IPV4 = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * The canonical text of an address, for comparisons and messages: IPv6 shortened, IPv4 inside IPv6 as IPv4.
 * @param address IPv4 or IPv6, without brackets and zone
 */
export function canonicalHost(address: string): string {
  if (!address.includes(":")) return address;
  const host = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED_IPV4.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  return [high, low].flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]).join(".");
}

/** The address the peer connected to, or null for a socket without one. */
export function localAddress(fd: number): SocketAddress | null {
  scratch.view.setUint32(24, 64, true);
  return libc.getsockname(fd, word64(scratch.address + 32), word64(scratch.address + 24)) === 0 ? readAddress() : null;
}

/** The peer's address, or null when it has gone. */
export function peerAddress(fd: number): SocketAddress | null {
  scratch.view.setUint32(24, 64, true);
  return libc.getpeername(fd, word64(scratch.address + 32), word64(scratch.address + 24)) === 0 ? readAddress() : null;
}

/** Removes a descriptor from an epoll instance of another owner. @returns whether it was there */
export function removeFromEpoll(epollFd: number, fd: number): boolean {
  return libc.epoll_ctl(epollFd, 2, fd, word64(scratch.address)) === 0;
}

/** Adds a descriptor, for no events, to an epoll instance of another owner. @returns whether it is there now */
export function addToEpoll(epollFd: number, fd: number): boolean {
  scratch.view.setUint32(0, 0, true);
  return libc.epoll_ctl(epollFd, 1, fd, word64(scratch.address)) === 0;
}

/** Closes a descriptor. */
export function closeDescriptor(fd: number): void {
  libc.close(fd);
}

/** Opens a path for reading and writing, as a bare descriptor (/dev/null). @throws SystemError */
export function openDescriptor(path: string): number {
  const fd = libc.open(new TextEncoder().encode(path + "\0"), 0o2 | 0o2000000, 0);
  if (fd < 0) throw new SystemError(`open ${path}`);
  return fd;
}
