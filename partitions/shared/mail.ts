/**
 * One isolate's mail: a ring to and from every other isolate, and the wake-ups. A shard that is about to block sets its `parked` word and
 * then checks its rings once more; a sender that finds the word set signals the shard's eventfd. Both sides use sequentially consistent
 * accesses, so no shard sleeps while a record waits for it.
 *
 * A full ring is no error: records wait in a queue here and go out on a later turn. The queue is bounded: senders of requests check
 * `isCrowded` first (net/requests/slices.ts), there are no more answers than requests, and a partition has at most one watermark record
 * waiting. Runs on shards and on flush workers, whose rows follow those of the shards; the main isolate only sends.
 */
import { clearEvent, signalEvent } from "../../storage/sys/epoll.ts";
import { kind, watermark } from "./messages.ts";
import { RecordQueue } from "./record_queue.ts";
import { RECORD_FLOATS, RECORD_INTS, RingConsumer, RingProducer, type RingRecord } from "./ring.ts";
import { ISOLATE } from "./words.ts";

/** Words of one isolate's row: groups of 64 bytes, each of one writer. */
const ROW_WORDS = 48;

/** The words that isolates keep about themselves (words.ts, table "isolate"). */
export class IsolateTable {
  readonly #words: Int32Array;

  /** @param memory from `IsolateTable.allocate()` */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Shared memory for the table. @param rowsCount isolates that have a row */
  static allocate(rowsCount: number): SharedArrayBuffer {
    return new SharedArrayBuffer(rowsCount * ROW_WORDS * 4);
  }

  /** Reads a word. @param index from ISOLATE */
  get(shard: number, index: number): number {
    return Atomics.load(this.#words, shard * ROW_WORDS + index);
  }

  /** Writes a word; only its one writer calls it. @param index from ISOLATE */
  set(shard: number, index: number, value: number): void {
    Atomics.store(this.#words, shard * ROW_WORDS + index, value);
  }
}

/** Records taken from one sender before the next sender has its turn: about a millisecond of appends. */
const DRAIN_RECORDS = 16;

/** With so many records waiting for room in a ring, senders that can pause add no more. */
const WAITING_RECORDS_MAX = 1024;

/** Sends records to one shard. */
export class Outbox {
  readonly #ring: RingProducer;
  readonly #waiting = new RecordQueue();
  /** Slots of the watermark records in `#waiting`. */
  readonly #waitingSlots = new Set<number>();
  readonly #isolates: IsolateTable;
  readonly #shard: number;
  readonly #eventFd: number;
  /** The record of the last `begin()` is in `#waiting` instead of the ring. */
  #waits = false;
  #signalled = false;
  #dirty = false;

  /** @param ring the ring to that shard @param to the shard: its number, its eventfd and the isolates' words */
  constructor(ring: SharedArrayBuffer, to: { shard: number; eventFd: number; isolates: IsolateTable }) {
    this.#ring = new RingProducer(ring);
    this.#shard = to.shard;
    this.#eventFd = to.eventFd;
    this.#isolates = to.isolates;
  }

  /** @returns a record to fill; `commit()` sends it. It holds the words of an old record: write every word that is read. */
  begin(kind: number): RingRecord {
    const record = this.#waiting.count === 0 ? this.#ring.reserve() : null;
    this.#waits = record === null;
    const target = record ?? this.#waiting.begin();
    target.ints[target.int] = kind;
    return target;
  }

  /** Sends the record of the last `begin()`. */
  commit(): void {
    if (this.#waits) this.#waiting.commit();
    else this.#ring.publish();
    this.#dirty = true;
    if (!this.#signalled) this.#signalIfParked();
  }

  /** Sends word that a partition's watermark moved, unless such a record waits already: the receiver reads the table. */
  sendWatermark(slot: number): void {
    if (this.#waitingSlots.has(slot)) return;
    const { ints, int } = this.begin(kind.watermark);
    ints[int + watermark.slot] = slot;
    if (this.#waits) this.#waitingSlots.add(slot);
    this.commit();
  }

  /** Ends a turn: moves waiting records into the ring, and wakes the shard when it went to sleep since the last signal. */
  flush(): void {
    if (!this.#dirty) return;
    this.#drainWaiting();
    this.#signalIfParked();
    this.#signalled = false;
    this.#dirty = this.#waiting.count > 0;
  }

  /** Records that wait for room. */
  get waitingCount(): number {
    return this.#waiting.count;
  }

  /** Whether so many records wait that requests that name many partitions should pause. */
  get isCrowded(): boolean {
    return this.#waiting.count >= WAITING_RECORDS_MAX;
  }

  /** Whether records still wait for room, so that the sender must not block for long. */
  get isBacklogged(): boolean {
    return this.#waiting.count > 0;
  }

  /** Wakes the shard without a record, for a posted message. */
  wake(): void {
    signalEvent(this.#eventFd);
  }

  #drainWaiting(): void {
    while (this.#waiting.count > 0) {
      const slot = this.#ring.reserve();
      if (slot === null) return;
      const { ints, int, floats, float } = this.#waiting.first;
      for (let word = 0; word < RECORD_INTS; word++) slot.ints[slot.int + word] = ints[int + word] as number;
      for (let word = 0; word < RECORD_FLOATS; word++) slot.floats[slot.float + word] = floats[float + word] as number;
      if (ints[int] === kind.watermark) this.#waitingSlots.delete(ints[int + watermark.slot] as number);
      this.#ring.publish();
      this.#waiting.take();
    }
  }

  #signalIfParked(): void {
    if (this.#isolates.get(this.#shard, ISOLATE.parked) !== 1) return;
    this.#signalled = true;
    signalEvent(this.#eventFd);
  }
}

/** Receives the records of all rings to one shard. */
export class Inbox {
  readonly #rings: RingConsumer[];
  readonly #isolates: IsolateTable;
  readonly #shard: number;
  readonly #eventFd: number;
  #nextSender = 0;

  /** @param rings one for each sender, in the order of their numbers @param self this shard */
  constructor(rings: SharedArrayBuffer[], self: { shard: number; eventFd: number; isolates: IsolateTable }) {
    this.#rings = rings.map((memory) => new RingConsumer(memory));
    this.#shard = self.shard;
    this.#eventFd = self.eventFd;
    this.#isolates = self.isolates;
  }

  /** Announces that the shard will block. @returns false when a record has arrived: the shard must not block */
  park(): boolean {
    this.#isolates.set(this.#shard, ISOLATE.parked, 1);
    if (this.#rings.every((ring) => ring.peek() === null)) return true;
    this.unpark();
    return false;
  }

  /** Announces that the shard is awake. */
  unpark(): void {
    this.#isolates.set(this.#shard, ISOLATE.parked, 0);
  }

  /** Resets the eventfd after it woke the shard. */
  clear(): void {
    clearEvent(this.#eventFd);
  }

  /**
   * Passes the arrived records to the receiver, a few of each sender in turn.
   * @param receive gets the sender's number and the record, valid during the call; returns true if that may have been long work
   * @param mayContinue asked after long work or a few records; the next call continues with the others
   */
  drain(
    receive: (sender: number, record: RingRecord) => boolean | undefined,
    mayContinue: () => boolean = () => true,
  ): void {
    let emptyCount = 0;
    while (emptyCount < this.#rings.length) {
      const sender = this.#nextSender;
      this.#nextSender = (sender + 1) % this.#rings.length;
      const ring = this.#rings[sender] as RingConsumer;
      let count = 0;
      for (let record = ring.peek(); record !== null && count < DRAIN_RECORDS; record = ring.peek(), count++) {
        const wasLong = receive(sender, record) === true;
        ring.take();
        if (wasLong && !mayContinue()) return;
      }
      emptyCount = count < DRAIN_RECORDS ? emptyCount + 1 : 0;
      if (count > 0 && !mayContinue()) return;
    }
  }
}
