/**
 * Sends datagrams to a local socket by its name, which is how a process tells the service manager something. Main isolate; a call does not
 * block. Source: man 7 unix, man 2 sendto.
 *
 * ```
 *   struct sockaddr_un   0 sun_family u16 | 2 sun_path: a path, ended by its length; or NUL and an abstract name
 * ```
 */
import { closeDescriptor } from "./sockets.ts";
import { lastErrorText, libc, SystemError, word64 } from "./libc.ts";
import { allocateNative } from "./memory.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const PATH_AT = 2;
/** Bytes of sun_path. */
const PATH_BYTES_MAX = 108;

/** A socket from which datagrams go to one other. */
export class DatagramSender implements Disposable {
  readonly #address = allocateNative(PATH_AT + PATH_BYTES_MAX);
  readonly #addressBytes: number;
  readonly #fd: number;
  #isClosed = false;

  /**
   * @param name a path, or "@" and an abstract name, at most 108 bytes
   * @throws SystemError when there is no descriptor @throws RangeError when the name is no name
   */
  constructor(name: string) {
    const path = new TextEncoder().encode(name);
    if (!/^[/@]./.test(name) || path.length > PATH_BYTES_MAX) throw new RangeError(`"${name}" names no local socket`);
    if (name.startsWith("@")) path[0] = 0;
    this.#address.view.setUint16(0, AF_UNIX, true);
    this.#address.bytes.set(path, PATH_AT);
    this.#addressBytes = PATH_AT + path.length;
    this.#fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.#fd < 0) throw new SystemError("make a local socket");
  }

  /** Sends one datagram. @returns null when it was taken, else why it was not */
  send(text: string): string | null {
    if (this.#isClosed) return "the socket is closed";
    const bytes = new TextEncoder().encode(text);
    const memory = allocateNative(bytes.length);
    memory.bytes.set(bytes);
    const sent = libc.sendto(
      this.#fd,
      word64(memory.address),
      word64(bytes.length),
      MSG_DONTWAIT | MSG_NOSIGNAL,
      word64(this.#address.address),
      this.#addressBytes,
    );
    return sent === bytes.length ? null : lastErrorText();
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeDescriptor(this.#fd);
  }
}
