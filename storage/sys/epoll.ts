/**
 * Readiness of descriptors: epoll(7), level-triggered, and eventfd(2) to wake a waiter from another isolate.
 * Waits run on shards, because a wait blocks the isolate. Only readiness and byte counts decide what happens next.
 */
import { libc, SystemError, word64 } from "./libc.ts";
import { allocateNative, nativeMemory } from "./memory.ts";

/** There is something to read, or the peer has closed. */
export const READABLE = 0x001;
/** There is room to write. */
export const WRITABLE = 0x004;
/** The descriptor failed (always reported). */
export const FAILED = 0x008;
/** Both directions are closed (always reported). */
export const HUNG_UP = 0x010;

/**
 *   struct epoll_event   x86-64 (packed)        others (AArch64)
 *     0  u32 events        4  u64 data            8  u64 data
 *                         12  bytes an event     16  bytes an event
 */
export function eventLayout(arch: typeof Deno.build.arch): { dataAt: number; eventBytes: number } {
  const dataAt = arch === "x86_64" ? 4 : 8;
  return { dataAt, eventBytes: dataAt + 8 };
}

const { dataAt: DATA_AT, eventBytes: EVENT_BYTES } = eventLayout(Deno.build.arch);

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;

/** One epoll instance with room for `eventsMax` events a wait. */
export class Epoll implements Disposable {
  readonly #fd: number;
  readonly #events: DataView;
  readonly #eventsAddress: number;
  readonly #scratch: DataView;
  readonly #scratchAddress: number;
  readonly #eventsMax: number;
  #closed = false;

  /** @param eventsMax most events that one wait reports */
  constructor(eventsMax: number) {
    this.#fd = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.#fd < 0) throw new SystemError("create an epoll instance");
    const events = allocateNative(eventsMax * EVENT_BYTES);
    const scratch = nativeMemory(new ArrayBuffer(128));
    this.#events = events.view;
    this.#eventsAddress = events.address;
    this.#eventsMax = eventsMax;
    this.#scratch = scratch.view;
    this.#scratchAddress = scratch.address;
  }

  /**
   * Watches a descriptor that the broker needs; a refusal is an error.
   * @param interest bits of READABLE and WRITABLE; the failure bits are always reported
   * @throws SystemError
   */
  add(fd: number, interest: number): void {
    if (!this.tryAdd(fd, interest)) throw new SystemError(`watch descriptor ${fd}`);
  }

  /**
   * Watches a descriptor that the broker can do without, such as one connection of many.
   * @returns false when the kernel refuses: fs.epoll.max_user_watches is used up (ENOSPC), or there is no memory (ENOMEM)
   */
  tryAdd(fd: number, interest: number): boolean {
    return this.#control(EPOLL_CTL_ADD, fd, interest);
  }

  /**
   * Changes the events that a descriptor is watched for. This needs no kernel memory, so only a descriptor that is not watched is
   * refused.
   * @throws SystemError
   */
  modify(fd: number, interest: number): void {
    if (!this.#control(EPOLL_CTL_MOD, fd, interest)) throw new SystemError(`change the watch of descriptor ${fd}`);
  }

  /** Stops watching a descriptor; one that is not watched is fine. */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /**
   * Waits for events.
   * @param timeoutMs whole milliseconds; 0 returns at once, -1 waits for ever
   * @returns how many events there are; read them with `eventFd(i)` and `eventBits(i)`. A signal counts as none.
   */
  wait(timeoutMs: number): number {
    const count = libc.epoll_wait(this.#fd, word64(this.#eventsAddress), this.#eventsMax, timeoutMs);
    return count < 0 ? 0 : count;
  }

  /** Descriptor of event `index` of the last wait. */
  eventFd(index: number): number {
    return this.#events.getInt32(index * EVENT_BYTES + DATA_AT, true);
  }

  /** Readiness bits of event `index` of the last wait. */
  eventBits(index: number): number {
    return this.#events.getUint32(index * EVENT_BYTES, true);
  }

  [Symbol.dispose](): void {
    if (!this.#closed) libc.close(this.#fd);
    this.#closed = true;
  }

  #control(operation: number, fd: number, interest: number): boolean {
    this.#scratch.setUint32(0, interest, true);
    this.#scratch.setInt32(DATA_AT, fd, true);
    this.#scratch.setInt32(DATA_AT + 4, 0, true);
    return libc.epoll_ctl(this.#fd, operation, fd, word64(this.#scratchAddress)) === 0;
  }
}

const eventWord = nativeMemory(new ArrayBuffer(128));

/** Creates an event counter that can wake an epoll. @returns its descriptor, non-blocking */
export function createEvent(): number {
  const fd = libc.eventfd(0, EFD_NONBLOCK_CLOEXEC);
  if (fd < 0) throw new SystemError("create an eventfd");
  return fd;
}

/** Wakes the isolate that waits for the event. @param fd from `createEvent()`, of any isolate of the process */
export function signalEvent(fd: number): void {
  eventWord.view.setUint32(0, 1, true);
  eventWord.view.setUint32(4, 0, true);
  libc.write(fd, word64(eventWord.address), word64(8));
}

/** Resets the event: it wakes again only after the next signal. */
export function clearEvent(fd: number): void {
  libc.read(fd, word64(eventWord.address), word64(8));
}
