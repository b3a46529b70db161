/**
 * The loop of a shard over epoll(7): which descriptors it watches, and in which order they are served. It does not know what a
 * descriptor is. Sockets of clients and the wake-up of the shard's rings register their callbacks, and a connection to another
 * broker can do the same. Runs on shards.
 *
 *   wait() ── events ──► queue ── serve() ──► onTurn     when it had yielded its turn
 *   yieldTurn() ───────►                  ──► onHangUp   when the other end has closed or failed, else onWritable, onReadable
 *
 * Each turn serves a registration once, in the order in which they became ready, while there is time. The others are served in
 * the next turn.
 *
 * Epoll reports a descriptor that hung up for as long as it is watched, even for no event. Therefore one is watched only while it
 * reads: otherwise a shard that waits for something else would wake again and again.
 */
import { Epoll, FAILED, HUNG_UP, READABLE, WRITABLE } from "../../storage/mod.ts";
import { type MaybeReady, ReadyQueue } from "./ready_queue.ts";
import type { TurnBudget } from "./turn_budget.ts";

/** Readiness events taken in one turn. */
const EVENTS_PER_TURN_MAX = 256;

/** Callbacks of a descriptor. None of them waits. */
export interface DescriptorUser {
  /** There is something to read, or the other end has closed. */
  onReadable(): void;
  /** There is room to write. */
  onWritable(): void;
  /**
   * The other end has closed or failed. Called again for as long as the user reads, because bytes may have arrived before.
   * @param hasFailed the descriptor failed (a reset), instead of being closed in both directions
   */
  onHangUp(hasFailed: boolean): void;
  /** The turn after the one that the user yielded. */
  onTurn(): void;
}

/** A descriptor that the reactor watches. Its fields belong to the reactor. */
export class Registration implements MaybeReady {
  readonly fd: number;
  readonly user: DescriptorUser;
  /** What epoll watches. */
  interest: number;
  isReady = false;
  /** What epoll has reported since the last serving. */
  readyBits = 0;
  /** When epoll had reported that, by the clock of the turn; µs. */
  readyUs = 0;
  hasYielded = false;
  hasHungUp = false;
  isOpen = true;

  /** @param fd watched from now on @param interest bits of READABLE and WRITABLE @param user of the descriptor */
  constructor(fd: number, interest: number, user: DescriptorUser) {
    this.fd = fd;
    this.interest = interest;
    this.user = user;
  }
}

/** The loop. */
export class Reactor implements Disposable {
  readonly #epoll = new Epoll(EVENTS_PER_TURN_MAX);
  readonly #byFd = new Map<number, Registration>();
  /** Descriptors that are readable or writable, or had more to do than fitted into their last turn. */
  readonly #ready = new ReadyQueue<Registration>();

  /** Whether a descriptor waits to be served. */
  get hasReady(): boolean {
    return this.#ready.count > 0;
  }

  /**
   * Watches a descriptor that the broker needs.
   * @throws SystemError when the kernel refuses
   */
  register(fd: number, interest: number, user: DescriptorUser): Registration {
    this.#epoll.add(fd, interest);
    return this.#add(new Registration(fd, interest, user));
  }

  /**
   * Watches one of many descriptors.
   * @param fd open until it is unregistered @param interest bits of READABLE and WRITABLE
   * @returns null when the kernel refuses; the system's last error says why
   */
  tryRegister(fd: number, interest: number, user: DescriptorUser): Registration | null {
    return this.#epoll.tryAdd(fd, interest) ? this.#add(new Registration(fd, interest, user)) : null;
  }

  /**
   * Changes what a descriptor is watched for.
   * @returns false when the kernel refuses, which may happen after a hang-up; no event of the descriptor is reported any more
   */
  watch(registration: Registration, interest: number): boolean {
    if (registration.interest === interest || !registration.isOpen) return true;
    registration.interest = interest;
    if (registration.hasHungUp) {
      this.#epoll.remove(registration.fd);
      return (interest & READABLE) === 0 || this.#epoll.tryAdd(registration.fd, interest);
    }
    this.#epoll.modify(registration.fd, interest);
    return true;
  }

  /** Ends the watch, before the descriptor is closed or handed over. Idempotent. */
  unregister(registration: Registration): void {
    if (!registration.isOpen) return;
    registration.isOpen = false;
    this.#byFd.delete(registration.fd);
    this.#epoll.remove(registration.fd);
  }

  /** The user has more to do after the others had their turn: `onTurn()` is called in a later turn. */
  yieldTurn(registration: Registration): void {
    registration.hasYielded = true;
    this.#ready.add(registration);
  }

  /**
   * Waits until a descriptor is ready, and notes which ones are.
   * @param timeoutMs whole milliseconds, 0 to look only @param onWoken called after the wait; returns the time in µs
   */
  wait(timeoutMs: number, onWoken: () => number = () => 0): void {
    const count = this.#epoll.wait(timeoutMs);
    const nowUs = onWoken();
    for (let index = 0; index < count; index++) {
      const registration = this.#byFd.get(this.#epoll.eventFd(index));
      if (registration === undefined) continue;
      if (registration.readyBits === 0) registration.readyUs = nowUs;
      registration.readyBits |= this.#epoll.eventBits(index);
      this.#ready.add(registration);
    }
  }

  /** Serves the descriptors that are ready, each once, while this part of the turn has time. */
  serve(budget: TurnBudget): void {
    for (let left = this.#ready.count; left > 0; left--) {
      const registration = this.#ready.take() as Registration;
      budget.beginStretch();
      this.#serve(registration);
      if (left > 1 && budget.isSpent) return;
    }
  }

  [Symbol.dispose](): void {
    this.#epoll[Symbol.dispose]();
  }

  #add(registration: Registration): Registration {
    this.#byFd.set(registration.fd, registration);
    return registration;
  }

  #serve(registration: Registration): void {
    const { user, readyBits, hasYielded } = registration;
    registration.readyBits = 0;
    registration.hasYielded = false;
    if (!registration.isOpen) return;
    if (hasYielded) user.onTurn();
    if ((readyBits & (FAILED | HUNG_UP)) !== 0) return this.#hangUp(registration, (readyBits & FAILED) !== 0);
    if ((readyBits & WRITABLE) !== 0) user.onWritable();
    if ((readyBits & READABLE) !== 0) user.onReadable();
  }

  #hangUp(registration: Registration, hasFailed: boolean): void {
    registration.hasHungUp = true;
    registration.user.onHangUp(hasFailed);
    if ((registration.interest & READABLE) === 0) this.#epoll.remove(registration.fd);
  }
}
