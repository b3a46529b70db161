import { strict as assert } from "node:assert";
import { closeDescriptor, FAILED, READABLE, receive, send, WRITABLE } from "../../storage/mod.ts";
import { clearEvent, createEvent, signalEvent } from "../../storage/sys/epoll.ts";
import { allocateArena, Arena } from "../../partitions/shared/arena.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import { Framing, type FramingOwner } from "./framing.ts";
import { type DescriptorUser, Reactor } from "./reactor.ts";
import { RequestMemory } from "./request_memory.ts";
import { frame, SocketPair } from "./socket_testing.ts";
import { TurnBudget, turnPart } from "./turn_budget.ts";

/** A budget whose time the test advances. */
class TestTurns {
  ms = 0;
  readonly budget = new TurnBudget({ wallMs: () => 0, monotonicMs: () => this.ms });

  /** The part of a turn in which descriptors are served. */
  serve(reactor: Reactor): void {
    this.budget.begin();
    this.budget.beginPart(turnPart.requests);
    reactor.wait(0);
    reactor.serve(this.budget);
  }
}

/** Records the callbacks of a descriptor. */
class Notes implements DescriptorUser {
  readonly calls: string[];
  readonly name: string;
  onEach: () => void = () => {};

  constructor(name: string, calls: string[] = []) {
    this.name = name;
    this.calls = calls;
  }

  onReadable(): void {
    this.#note("readable");
  }

  onWritable(): void {
    this.#note("writable");
  }

  onHangUp(hasFailed: boolean): void {
    this.#note(hasFailed ? "failed" : "closed");
  }

  onTurn(): void {
    this.#note("turn");
  }

  #note(what: string): void {
    this.calls.push(`${this.name} ${what}`);
    this.onEach();
  }
}

Deno.test("Reactor reports readiness as long as it lasts, and nothing once a registration has ended", () => {
  using reactor = new Reactor();
  const turns = new TestTurns();
  const fd = createEvent();
  const user = new Notes("a");
  const registration = reactor.register(fd, READABLE, user);
  turns.serve(reactor);
  assert.deepEqual(user.calls, []);
  signalEvent(fd);
  for (let turn = 0; turn < 2; turn++) turns.serve(reactor);
  assert.deepEqual(user.calls.splice(0), ["a readable", "a readable"], "what was not read is reported again");
  user.onEach = () => clearEvent(fd);
  for (let turn = 0; turn < 2; turn++) turns.serve(reactor);
  assert.deepEqual(user.calls.splice(0), ["a readable"]);
  signalEvent(fd);
  reactor.wait(0);
  assert.ok(reactor.hasReady);
  reactor.unregister(registration);
  reactor.unregister(registration);
  turns.serve(reactor);
  assert.deepEqual([user.calls, reactor.hasReady], [[], false], "not even what had been noted before");
  closeDescriptor(fd);
});

Deno.test("Reactor reports room to write while that is asked for, before it reports something to read", async () => {
  using pair = await SocketPair.open();
  using reactor = new Reactor();
  const turns = new TestTurns();
  const user = new Notes("a");
  const registration = reactor.register(pair.fd, READABLE, user);
  await pair.send(new Uint8Array(1));
  assert.ok(reactor.watch(registration, READABLE | WRITABLE));
  turns.serve(reactor);
  assert.ok(reactor.watch(registration, WRITABLE));
  turns.serve(reactor);
  assert.ok(reactor.watch(registration, 0));
  turns.serve(reactor);
  assert.deepEqual(user.calls, ["a writable", "a readable", "a writable"]);
});

Deno.test("Reactor serves each once a turn in order of arrival while there is time, and the others in the next turns", () => {
  using reactor = new Reactor();
  const turns = new TestTurns();
  const calls: string[] = [];
  const fds = Array.from({ length: 5 }, () => createEvent());
  for (const [index, fd] of fds.entries()) {
    const user = new Notes(String(index), calls);
    user.onEach = () => turns.ms += turnPart.requests / 2;
    reactor.register(fd, READABLE, user);
  }
  for (const fd of [fds[3], fds[1], fds[0], fds[4], fds[2]] as number[]) {
    signalEvent(fd);
    reactor.wait(0);
  }
  const served = [];
  for (let turn = 0; turn < 50; turn++) {
    turns.serve(reactor);
    served.push(calls.splice(0).map((line) => Number(line[0])));
  }
  assert.deepEqual(served.slice(0, 2), [[3, 1], [0, 4]]);
  assert.equal(served[2]?.[0], 2, "the ones that were served come after the last one");
  const order = served.flat();
  assert.equal(order.length, 100);
  for (const [at, index] of order.slice(0, 90).entries()) {
    const others = order.slice(at + 1).indexOf(index);
    assert.ok(others <= 5, `${others} others are served before ${index} is again, and all are ready all the time`);
  }
  fds.forEach(closeDescriptor);
});

Deno.test("Reactor serves a user that yielded its turn after the others, before it reports what has become ready meanwhile", () => {
  using reactor = new Reactor();
  const turns = new TestTurns();
  const calls: string[] = [];
  const [first, second] = [createEvent(), createEvent()];
  const busy = new Notes("busy", calls);
  const registration = reactor.register(first, READABLE, busy);
  reactor.register(second, READABLE, new Notes("other", calls));
  busy.onEach = () => {
    if (calls.length < 3) reactor.yieldTurn(registration);
  };
  signalEvent(first);
  reactor.wait(0);
  signalEvent(second);
  turns.serve(reactor);
  assert.deepEqual(calls.splice(0), ["busy readable", "other readable"]);
  assert.ok(reactor.hasReady);
  clearEvent(second);
  busy.onEach = () => {};
  turns.serve(reactor);
  assert.deepEqual(calls.splice(0), ["busy turn", "busy readable"]);
  turns.serve(reactor);
  assert.deepEqual(calls, ["busy readable"], "it did not yield again");
  [first, second].forEach(closeDescriptor);
});

Deno.test("Reactor reports a descriptor that hung up as long as it reads, and is not woken by it while it does not", async () => {
  using pair = await SocketPair.open();
  using reactor = new Reactor();
  const turns = new TestTurns();
  const user = new Notes("a");
  const registration = reactor.register(pair.fd, READABLE, user);
  // The close becomes a reset, because the client has not received these bytes.
  const arena = new Arena(allocateArena());
  assert.equal(send(pair.fd, arena.memory.address, 1, { more: false }), 1);
  pair.peer.close();
  assert.notEqual(pair.ready(READABLE) & FAILED, 0);
  for (let turn = 0; turn < 2; turn++) turns.serve(reactor);
  assert.deepEqual(user.calls.splice(0), ["a failed", "a failed"]);
  assert.ok(reactor.watch(registration, 0));
  turns.serve(reactor);
  assert.deepEqual([user.calls, reactor.hasReady], [[], false]);
  assert.ok(reactor.watch(registration, READABLE));
  turns.serve(reactor);
  assert.deepEqual(user.calls.splice(0), ["a failed"]);
  reactor.watch(registration, 0);
  reactor.unregister(registration);
});

Deno.test("Reactor.tryRegister() watches one of many descriptors, or says that the kernel refuses", () => {
  using reactor = new Reactor();
  assert.equal(reactor.tryRegister(-1, READABLE, new Notes("a")), null);
  assert.throws(() => reactor.register(-1, READABLE, new Notes("a")), /watch descriptor -1/);
  const fd = createEvent();
  assert.equal(reactor.tryRegister(fd, READABLE, new Notes("a"))?.fd, fd);
  closeDescriptor(fd);
});

/** The other direction: what a broker receives on a connection that it opened. */
class OutgoingConnection implements DescriptorUser, FramingOwner {
  readonly frameBytesMax = 1000;
  readonly responses: Uint8Array[] = [];
  closeReason: string | null = null;
  readonly #fd: number;
  readonly #arena = new Arena(allocateArena());
  readonly #framing: Framing;

  constructor(fd: number) {
    this.#fd = fd;
    const memory = new RequestMemory(this.#arena, { budgetBytes: Infinity, requestBytesMax: this.frameBytesMax });
    this.#framing = new Framing(this, { arena: this.#arena, memory, closeMostUnsent: () => false });
  }

  get heldBytes(): number {
    return this.#framing.heldBytes;
  }

  get movedBytes(): number {
    return this.#framing.receivedBytes;
  }

  onReadable(): void {
    let result = this.#framing.receive();
    while (result === "more") result = this.#framing.receive();
    if (result === "ended") this.close("the other broker closed");
  }

  onWritable(): void {}

  onHangUp(): void {
    this.close("the other broker has gone");
  }

  onTurn(): void {}

  receiveInto(at: number, length: number): number {
    return receive(this.#fd, this.#arena.memory.address + at, length);
  }

  onFrame(start: number, length: number): boolean {
    this.responses.push(this.#arena.memory.bytes.slice(start, start + length));
    return true;
  }

  onInvalidSize(size: number): void {
    this.close(`invalid response size ${size}`);
  }

  onMemory(): void {}

  close(reason: string): void {
    this.closeReason ??= reason;
  }
}

Deno.test("Reactor and Framing also serve an outgoing connection: whole responses, then the end", async () => {
  using pair = await SocketPair.open();
  using reactor = new Reactor();
  const turns = new TestTurns();
  const connection = new OutgoingConnection(pair.fd);
  const registration = reactor.register(pair.fd, READABLE, connection);
  const bytes = concatBytes([frame(1), frame(2, 300), frame(3)]);
  for (const [from, to] of [[0, 20], [20, 200], [200, bytes.length]]) {
    await pair.send(bytes.subarray(from, to));
    turns.serve(reactor);
  }
  assert.deepEqual(connection.responses, [frame(1), frame(2, 300), frame(3)].map((it) => it.subarray(4)));
  await pair.peer.closeWrite();
  pair.ready(READABLE);
  turns.serve(reactor);
  assert.equal(connection.closeReason, "the other broker closed");
  reactor.unregister(registration);
});
