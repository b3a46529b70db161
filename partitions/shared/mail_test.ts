import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { createEvent, Epoll, READABLE } from "../../storage/sys/epoll.ts";
import { closeDescriptor } from "../../storage/sys/sockets.ts";
import { Inbox, IsolateTable, Outbox } from "./mail.ts";
import * as message from "./messages.ts";
import { allocateRing, RECORD_FLOATS, RECORD_INTS } from "./ring.ts";
import { allocateSharedState, inbox, outboxes, releaseSharedState } from "./shared_state.ts";
import { ISOLATE } from "./words.ts";

/** Both ends of the mail to shard 0, in one isolate. The test watches the eventfd. */
class Mail implements Disposable {
  readonly eventFd = createEvent();
  readonly isolates = new IsolateTable(IsolateTable.allocate(1));
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly received: number[] = [];
  readonly #epoll = new Epoll(1);

  constructor(recordsMax: number) {
    const ring = allocateRing(recordsMax);
    const to = { shard: 0, eventFd: this.eventFd, isolates: this.isolates };
    this.outbox = new Outbox(ring, to);
    this.inbox = new Inbox([ring], to);
    this.#epoll.add(this.eventFd, READABLE);
  }

  send(value: number): void {
    const { ints, int, floats, float } = this.outbox.begin(7);
    ints[int + RECORD_INTS - 1] = value;
    floats[float + RECORD_FLOATS - 1] = value * 2 ** 40;
    this.outbox.commit();
  }

  drain(): void {
    this.inbox.drain((sender, { ints, int, floats, float }) => {
      assert.deepEqual([sender, ints[int]], [0, 7]);
      const value = ints[int + RECORD_INTS - 1] as number;
      assert.equal(floats[float + RECORD_FLOATS - 1], value * 2 ** 40);
      this.received.push(value);
    });
  }

  /** Whether the eventfd would wake the receiver; resets it, as the reactor does. */
  wakes(): boolean {
    const woken = this.#epoll.wait(0) > 0;
    if (woken) this.inbox.clear();
    return woken;
  }

  [Symbol.dispose](): void {
    this.#epoll[Symbol.dispose]();
    closeDescriptor(this.eventFd);
  }
}

Deno.test("Outbox keeps every record and their order when its ring is full, while the receiver takes some", () => {
  const seed = Number(Deno.env.get("BARNABAS_SEED") ?? 8);
  const random = createRandom(seed);
  using mail = new Mail(8);
  let sent = 0;
  for (let step = 0; step < 5000; step++) {
    const choice = random();
    if (choice < 0.6) {
      for (let left = Math.floor(random() * 20); left > 0; left--) mail.send(sent++);
    } else if (choice < 0.8) mail.drain();
    else mail.outbox.flush();
  }
  assert.ok(mail.outbox.isBacklogged, `seed ${seed}: the ring was full`);
  while (mail.outbox.isBacklogged) {
    mail.drain();
    mail.outbox.flush();
  }
  mail.drain();
  assert.deepEqual(mail.received, Array.from({ length: sent }, (_, value) => value), `seed ${seed}`);
});

Deno.test("Inbox.park() refuses to sleep when a record is there, and then leaves the parked word clear", () => {
  using mail = new Mail(8);
  assert.ok(mail.inbox.park());
  assert.equal(mail.isolates.get(0, ISOLATE.parked), 1);
  mail.inbox.unpark();
  mail.send(1);
  assert.equal(mail.inbox.park(), false);
  assert.equal(mail.isolates.get(0, ISOLATE.parked), 0);
  assert.equal(mail.wakes(), false, "a receiver that is awake is not signalled");
  mail.drain();
  assert.ok(mail.inbox.park());
});

Deno.test("Outbox.commit() wakes a sleeping receiver once for many records", () => {
  using mail = new Mail(8);
  assert.ok(mail.inbox.park());
  mail.send(1);
  assert.ok(mail.wakes());
  mail.send(2);
  assert.equal(mail.wakes(), false, "the rest of the turn is told at its end");
});

Deno.test("Outbox.flush() wakes a receiver that went back to sleep between two records of a turn", () => {
  using mail = new Mail(8);
  assert.ok(mail.inbox.park());
  mail.send(1);
  assert.ok(mail.wakes());
  mail.inbox.unpark();
  mail.drain();
  assert.ok(mail.inbox.park());
  mail.send(2);
  mail.outbox.flush();
  assert.ok(mail.wakes());
  // The next turn signals again.
  mail.inbox.unpark();
  mail.drain();
  assert.ok(mail.inbox.park());
  mail.send(3);
  assert.ok(mail.wakes());
});

Deno.test("Outbox.flush() wakes a sleeping receiver for records that waited for room", () => {
  using mail = new Mail(2);
  for (const value of [0, 1, 2]) mail.send(value);
  mail.outbox.flush();
  mail.drain();
  assert.ok(mail.inbox.park());
  assert.equal(mail.wakes(), false);
  mail.outbox.flush();
  assert.ok(mail.wakes());
  mail.drain();
  assert.deepEqual(mail.received, [0, 1, 2]);
  assert.equal(mail.outbox.isBacklogged, false);
});

Deno.test("Outbox.wake() wakes a receiver that has no mail", () => {
  using mail = new Mail(2);
  mail.outbox.wake();
  assert.ok(mail.wakes());
  assert.equal(mail.wakes(), false);
});

Deno.test("two isolates that sleep between records lose no wake-up", async () => {
  const state = allocateSharedState(2);
  const worker = new Worker(new URL("./mail_echo_worker.ts", import.meta.url), { type: "module" });
  using epoll = new Epoll(1);
  const eventFd = state.eventFds[0] as number;
  epoll.add(eventFd, READABLE);
  const mail = inbox(state, 0);
  const outbox = outboxes(state, 0)[1] as Outbox;
  const ended = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage(state);
  const received: number[] = [];
  for (let value = 20_000; value >= 0; value--) {
    const { ints, int } = outbox.begin(1);
    ints[int + 1] = value;
    outbox.commit();
    outbox.flush();
    while (received.length === 0) {
      const parked = mail.park();
      const events = epoll.wait(parked ? 20_000 : 0);
      if (parked) mail.unpark();
      if (events > 0) mail.clear();
      else assert.equal(parked, false, `an answer to ${value} came without a wake-up`);
      mail.drain((sender, record) => void received.push(sender, record.ints[record.int + 1] as number));
    }
    assert.deepEqual(received.splice(0), [1, value]);
  }
  await ended;
  worker.terminate();
  releaseSharedState(state);
});

Deno.test("Outbox.sendWatermark() keeps at most one waiting record for each partition, however often its watermark moves", () => {
  using mail = new Mail(8);
  const slots: number[] = [];
  const drain = () =>
    mail.inbox.drain((_sender, { ints, int }) => void slots.push(ints[int + message.watermark.slot] as number));
  for (let round = 0; round < 1000; round++) for (let slot = 0; slot < 20; slot++) mail.outbox.sendWatermark(slot);
  assert.ok(mail.outbox.waitingCount <= 20, `${mail.outbox.waitingCount} records wait`);
  while (mail.outbox.isBacklogged) {
    drain();
    mail.outbox.flush();
  }
  drain();
  assert.equal(new Set(slots).size, 20, "each is told");
  slots.length = 0;
  for (let slot = 0; slot < 8; slot++) mail.outbox.sendWatermark(slot);
  mail.outbox.sendWatermark(3);
  drain();
  mail.outbox.flush();
  drain();
  assert.deepEqual(slots, [0, 1, 2, 3, 4, 5, 6, 7, 3], "what was told before is told again when it moves again");
});

Deno.test("Inbox.drain() takes a few records of each sender in turn, and stops when mayContinue() says so", () => {
  const isolates = new IsolateTable(IsolateTable.allocate(1));
  const rings = [allocateRing(64), allocateRing(64)];
  const to = { shard: 0, eventFd: -1, isolates };
  for (const [sender, ring] of rings.entries()) {
    const outbox = new Outbox(ring, to);
    for (let id = 0; id < 40; id++) {
      const { ints, int } = outbox.begin(7);
      ints[int + 1] = 100 * sender + id;
      outbox.commit();
    }
  }
  const inbox = new Inbox(rings, to);
  const received: number[] = [];
  const drain = (mayContinue: () => boolean) =>
    inbox.drain((_sender, { ints, int }) => void received.push(ints[int + 1] as number), mayContinue);
  drain(() => false);
  const first = received.length;
  assert.ok(first > 0 && first < 40, "it stops after a few");
  drain(() => false);
  assert.equal(received[first], 100, "the other sender has its turn");
  drain(() => true);
  assert.deepEqual(received.filter((id) => id < 100), Array.from({ length: 40 }, (_, id) => id));
  assert.deepEqual(received.filter((id) => id >= 100), Array.from({ length: 40 }, (_, id) => 100 + id));
});

Deno.test("Inbox.drain() asks mayContinue() after each record that was long work", () => {
  const isolates = new IsolateTable(IsolateTable.allocate(1));
  const to = { shard: 0, eventFd: -1, isolates };
  const ring = allocateRing(64);
  const outbox = new Outbox(ring, to);
  for (let id = 0; id < 10; id++) {
    outbox.begin(7);
    outbox.commit();
  }
  const inbox = new Inbox([ring], to);
  let received = 0;
  const drain = () => inbox.drain(() => ++received % 3 === 0, () => false);
  drain();
  assert.equal(received, 3);
  drain();
  assert.equal(received, 6, "the next call continues behind it");
});
