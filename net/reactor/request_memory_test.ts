import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { allocateArena, Arena } from "../../partitions/shared/arena.ts";
import { fillArena } from "../../partitions/shared/arena_testing.ts";
import { REQUEST_ELEMENTS_MAX } from "../protocol/api.ts";
import { LANDING_BYTES, type MemoryHolder, RequestMemory } from "./request_memory.ts";
import { FEW_ELEMENTS, weightOf, WEIGHTS_MAX } from "../requests/request_weights.ts";

const MIB = 1024 * 1024;
const REQUEST_BYTES_MAX = 100 * MIB;

class Holder implements MemoryHolder {
  block = -1;
  movedBytes = 0;
  closeReason: string | null = null;
  /** Blocks that were granted after a wait; -1 is the landing block. */
  readonly given: number[] = [];
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get heldBytes(): number {
    return this.block === -1 ? 0 : this.#arena.sizeOf(this.block);
  }

  onMemory(block: number): void {
    this.given.push(block);
    if (block !== -1) this.put(block);
  }

  close(reason: string): void {
    this.closeReason = reason;
  }

  put(block: number): void {
    this.end();
    this.block = block;
  }

  end(): void {
    if (this.block !== -1) this.#arena.release(this.block);
    this.block = -1;
  }
}

class Fixture {
  readonly arena = new Arena(allocateArena(), { reservedBytes: 4 + REQUEST_BYTES_MAX });
  readonly memory: RequestMemory;

  constructor(budgetBytes = Infinity) {
    this.memory = new RequestMemory(this.arena, { budgetBytes, requestBytesMax: REQUEST_BYTES_MAX });
  }

  holder(): Holder {
    return new Holder(this.arena);
  }

  /** @returns whether the holder got a block at once */
  take(holder: Holder, size: number, wholeSize = size): boolean {
    const block = this.memory.take(holder, { size, wholeSize });
    if (block !== -1) holder.put(block);
    return block !== -1;
  }

  /** Takes all memory for growing requests, except the block that is set aside. */
  fill(): Holder[] {
    const holders: Holder[] = [];
    for (let size = 64 * MIB; size >= 16 * 1024; size /= 2) {
      for (;;) {
        const block = this.memory.tryTake({ size, wholeSize: size > 4 * MIB ? 4 * MIB : size });
        if (block === -1) break;
        const holder = this.holder();
        holder.put(block);
        holders.push(holder);
      }
    }
    return holders;
  }
}

Deno.test("RequestMemory.take() lets large requests grow to three quarters of the limit of small ones, and both leave headroom", () => {
  const fixture = new Fixture();
  const large = Array.from({ length: 50 }, () => fixture.holder());
  for (const holder of large) if (!fixture.take(holder, 8 * MIB, 50 * MIB)) break;
  assert.equal(fixture.arena.usedBytes, 240 * MIB, "the block that is set aside is not counted");
  assert.equal(fixture.memory.waitingCount, 1);
  const small = Array.from({ length: 200 }, () => fixture.holder());
  for (const holder of small) if (!fixture.take(holder, MIB)) break;
  assert.equal(fixture.arena.usedBytes, 320 * MIB);
  assert.equal(fixture.arena.sharedBytes - fixture.arena.usedBytes, 64 * MIB);
});

Deno.test("RequestMemory keeps to its share of queued.max.request.bytes, with room for usual requests however small the share is", () => {
  const used = (budgetBytes: number) => {
    const fixture = new Fixture(budgetBytes);
    fixture.fill();
    return fixture.arena.usedBytes;
  };
  assert.equal(used(300 * MIB), 200 * MIB);
  assert.equal(used(150 * MIB), 50 * MIB);
  assert.equal(used(1), 16 * MIB);
  assert.equal(used(Infinity), 320 * MIB);
});

Deno.test("RequestMemory.grantWaiting() serves in order of arrival without overtaking, large and small requests in separate lines", () => {
  const fixture = new Fixture();
  const filling = fixture.fill();
  const [lucky, first, second, third, small] = Array.from({ length: 5 }, () => fixture.holder()) as Holder[];
  assert.ok(fixture.take(lucky!, 30 * MIB, 90 * MIB), "the block that is set aside is for the first that needs it");
  assert.ok(lucky!.heldBytes >= 90 * MIB, "and is large enough for the whole request");
  for (const holder of [first, second, third]) assert.equal(fixture.take(holder!, 32 * MIB, 90 * MIB), false);
  assert.equal(fixture.take(small!, MIB), false);
  fixture.memory.grantWaiting();
  assert.equal(fixture.memory.waitingCount, 4);
  // 192 MiB are in blocks of 64. One free block is room for a small request, but too much is used for large ones.
  const blocks = filling.filter(({ heldBytes }) => heldBytes === 64 * MIB);
  blocks[0]!.end();
  fixture.memory.grantWaiting();
  assert.deepEqual([small!.given.length, first!.given.length], [1, 0]);
  lucky!.end();
  fixture.memory.grantWaiting();
  assert.deepEqual([first!.given.length, second!.given.length, third!.given.length], [1, 0, 0]);
  assert.ok(first!.heldBytes >= 90 * MIB);
  for (const holder of filling) holder.end();
  const late = fixture.holder();
  assert.equal(fixture.take(late, 32 * MIB, 90 * MIB), false, "a later one waits behind it, although there is room");
  fixture.memory.grantWaiting();
  assert.deepEqual([second, third, late].map((holder) => holder!.given.length), [1, 1, 1]);
  assert.equal(fixture.memory.waitingCount, 0);
});

Deno.test("RequestMemory.cancelWaits() removes a connection from the line, and a connection that is being closed gets nothing", () => {
  const fixture = new Fixture();
  fixture.fill();
  const [lucky, gone, closing, last] = Array.from({ length: 4 }, () => fixture.holder()) as Holder[];
  for (const holder of [lucky, gone, closing, last]) fixture.take(holder!, 8 * MIB, 90 * MIB);
  fixture.memory.cancelWaits(gone!);
  closing!.close("for the test");
  lucky!.end();
  fixture.memory.grantWaiting();
  fixture.memory.grantWaiting();
  assert.deepEqual([gone, closing, last].map((holder) => holder!.given.length), [0, 0, 1]);
  assert.equal(fixture.memory.waitingCount, 0);
});

Deno.test("RequestMemory.awaitLanding() ends when there is a landing block", () => {
  const fixture = new Fixture();
  const blocks = [fixture.arena.allocate(1), ...fillArena(fixture.arena)];
  assert.equal(fixture.memory.landing, -1);
  const holder = fixture.holder();
  fixture.memory.awaitLanding(holder);
  fixture.arena.release(blocks.pop()!);
  fixture.memory.grantWaiting();
  assert.deepEqual(holder.given, [], "16 KiB are no landing block");
  for (const block of blocks) fixture.arena.release(block);
  fixture.memory.grantWaiting();
  assert.deepEqual(holder.given, [-1]);
  assert.equal(fixture.arena.sizeOf(fixture.memory.landing), LANDING_BYTES);
});

Deno.test("RequestMemory.closeStalled() closes only a connection that holds memory and moves nothing while others wait", () => {
  const fixture = new Fixture();
  const filling = fixture.fill().filter(({ heldBytes }) => heldBytes >= MIB);
  const [stalled, slow, fast] = filling as [Holder, Holder, Holder];
  const waiter = fixture.holder();
  const reserved = fixture.holder();
  assert.ok(fixture.take(reserved, 8 * MIB, 90 * MIB));
  const idle = fixture.holder();
  const all = [...filling, waiter, reserved, idle];
  const move = () => {
    for (const holder of all) holder.movedBytes += holder.heldBytes / 16;
    stalled.movedBytes = 0;
    slow.movedBytes -= 1;
  };
  for (let nowMs = 0; nowMs < 100_000; nowMs += 1000) fixture.memory.closeStalled(nowMs, all);
  assert.ok(all.every(({ closeReason }) => closeReason === null), "nobody waits");
  fixture.take(waiter, 8 * MIB, 90 * MIB);
  fixture.memory.closeStalled(200_000, all);
  move();
  fixture.memory.closeStalled(209_999, all);
  assert.ok(all.every(({ closeReason }) => closeReason === null));
  fixture.memory.closeStalled(210_000, all);
  assert.deepEqual(all.filter(({ closeReason }) => closeReason !== null), [stalled, slow]);
  assert.match(stalled.closeReason ?? "", /others wait for, and moved 0 in 10000 ms/);
  assert.equal(fast.closeReason, null);
  assert.equal(fixture.memory.stalledCount, 2);
});

Deno.test("RequestMemory.closeStalled() does not count the time during which the broker let a connection wait", () => {
  const fixture = new Fixture();
  fixture.fill();
  const [reserved, waiter, other] = Array.from({ length: 3 }, () => fixture.holder()) as [Holder, Holder, Holder];
  fixture.take(reserved, 8 * MIB, 90 * MIB);
  waiter.put(fixture.arena.allocate(4 * MIB));
  fixture.take(waiter, 32 * MIB, 90 * MIB);
  fixture.take(other, 32 * MIB, 90 * MIB);
  const all = [reserved, waiter, other];
  fixture.memory.closeStalled(0, all);
  reserved.movedBytes = 50 * MIB;
  fixture.memory.closeStalled(10_000, all);
  reserved.end();
  fixture.memory.grantWaiting();
  assert.equal(waiter.given.length, 1);
  fixture.memory.closeStalled(20_000, all);
  assert.equal(waiter.closeReason, null, "it has had the memory for less than a whole period");
  fixture.memory.closeStalled(30_000, all);
  assert.notEqual(waiter.closeReason, null, "now it has had one, and did nothing with it");
});

Deno.test("RequestMemory.trimWhenQuiet() empties the arena once nothing has needed memory for a while, and does so again", () => {
  const fixture = new Fixture();
  for (let round = 0; round < 2; round++) {
    const startMs = 100_000 * round;
    const { landing } = fixture.memory;
    fixture.arena.memory.bytes.fill(7, landing, landing + LANDING_BYTES);
    const middle = landing + LANDING_BYTES / 2;
    fixture.memory.trimWhenQuiet(startMs);
    fixture.memory.trimWhenQuiet(startMs + 4999);
    assert.equal(fixture.arena.memory.bytes[middle], 7);
    fixture.memory.trimWhenQuiet(startMs + 5000);
    assert.equal(fixture.arena.memory.bytes[middle], 0);
    assert.equal(fixture.arena.usedBytes, 0);
  }
});

Deno.test("RequestMemory.landing exists however full the arena is, also while another shard reads one", () => {
  const fixture = new Fixture();
  const { memory, arena } = fixture;
  const first = memory.landing;
  fillArena(arena);
  arena.retain(first);
  memory.renewLanding();
  const second = memory.landing;
  assert.ok(second !== -1 && second !== first);
  arena.retain(second);
  memory.renewLanding();
  assert.equal(memory.landing, -1, "both are being read");
  arena.release(first);
  assert.equal(memory.landing, first);
});

Deno.test("RequestMemory completes any number of requests of any size, whatever the budget, when each client continues to send", () => {
  const seed = Number(Deno.env.get("BARNABAS_SEED") ?? 815);
  for (let run = 0; run < 40; run++) {
    const random = createRandom(seed + run);
    const fixture = new Fixture([1, 120 * MIB, Infinity][run % 3]);
    // Each arrives in steps of eight times what it has. One is chosen at random, as epoll would.
    const requests = Array.from({ length: 30 }, () => {
      const wholeSize = Math.ceil(random() ** 3 * REQUEST_BYTES_MAX) + 300_000;
      return { holder: fixture.holder(), wholeSize, filled: 200_000, isDone: false };
    });
    for (const { holder } of requests) holder.put(fixture.arena.allocate(200_000));
    let steps = 0;
    for (let left = requests.length; left > 0; steps++) {
      const able = requests.filter(({ isDone, holder }) => !isDone && !fixture.memory.isWaiting(holder));
      assert.ok(able.length > 0, `seed ${seed + run}: no request can continue, ${left} are left`);
      const request = able[Math.floor(random() * able.length)]!;
      const { holder, wholeSize } = request;
      request.filled = Math.min(wholeSize, holder.heldBytes);
      if (request.filled === wholeSize) {
        holder.end();
        request.isDone = true;
        left--;
      } else fixture.take(holder, Math.min(wholeSize, request.filled * 8), wholeSize);
      fixture.memory.grantWaiting();
    }
    assert.ok(steps < 500);
    assert.equal(fixture.arena.usedBytes, 0);
  }
});

/** A connection that takes the room for the elements of its request once it gets it. */
class Heavy extends Holder {
  weight = 0;
  readonly #memory: RequestMemory;
  readonly #elements: number;

  constructor({ arena, memory }: Fixture, elements: number) {
    super(arena);
    this.#memory = memory;
    this.#elements = elements;
  }

  /** Handles the request as the router does. @returns false when it waits */
  handle(): boolean {
    const { weights } = this.#memory.pipelines;
    const { elementsRoom } = weights;
    if (this.#elements > elementsRoom) {
      this.#memory.awaitWeights(this, Math.min(REQUEST_ELEMENTS_MAX, 2 * elementsRoom));
      return false;
    }
    weights.add(this.weight = weightOf(this.#elements));
    return true;
  }

  override onMemory(): void {
    this.handle();
  }

  answer(): void {
    this.#memory.pipelines.weights.add(-this.weight);
    this.weight = 0;
  }
}

Deno.test("RequestMemory.grantWaiting() grants room for elements in order of arrival; requests of few elements never wait", () => {
  const fixture = new Fixture();
  const { memory } = fixture;
  const { weights } = memory.pipelines;
  const large = () => new Heavy(fixture, REQUEST_ELEMENTS_MAX);
  const medium = () => new Heavy(fixture, 4 * FEW_ELEMENTS);
  const [first, second, third] = [large(), large(), medium()];
  assert.ok(first.handle());
  assert.equal(second.handle(), false);
  assert.equal(third.handle(), false, "there is room for it, but an earlier one waits");
  assert.ok(new Heavy(fixture, FEW_ELEMENTS).handle());
  assert.equal(memory.hasRoomForWaiting, false);
  memory.grantWaiting();
  assert.deepEqual([second.weight, third.weight], [0, 0]);
  weights.add(-weights.heldBytes);
  assert.ok(memory.hasRoomForWaiting);
  memory.grantWaiting();
  assert.ok(second.weight > 0 && third.weight > 0, "there is room for both");
  second.answer();
  third.answer();
  assert.deepEqual([weights.heldBytes, weights.isAwaited], [0, false]);
});

Deno.test("RequestMemory.grantWaiting() resumes one request that waited for room, and more while the turn lasts", () => {
  const fixture = new Fixture();
  const { memory } = fixture;
  const { weights } = memory.pipelines;
  weights.add(WEIGHTS_MAX);
  const waiting = Array.from({ length: 5 }, () => new Heavy(fixture, 2 * FEW_ELEMENTS));
  for (const holder of waiting) assert.equal(holder.handle(), false);
  const handledCount = () => waiting.filter(({ weight }) => weight > 0).length;
  weights.add(-WEIGHTS_MAX);
  memory.grantWaiting(() => false);
  assert.deepEqual([handledCount(), memory.hasRoomForWaiting], [1, true]);
  let left = 2;
  memory.grantWaiting(() => --left > 0);
  assert.equal(handledCount(), 3);
  for (const holder of waiting.slice(3)) memory.cancelWaits(holder);
  assert.deepEqual([memory.hasRoomForWaiting, weights.isAwaited], [false, false]);
  memory.grantWaiting();
  assert.equal(handledCount(), 3);
});

Deno.test("RequestMemory.closeStalled() keeps a connection that waits for room for the elements of its request", () => {
  const fixture = new Fixture();
  const { memory } = fixture;
  const [waiting, idle] = fixture.fill() as [Holder, Holder];
  const next = fixture.holder();
  while (memory.waitingCount === 0) fixture.take(next, 8 * MIB);
  memory.awaitWeights(waiting, REQUEST_ELEMENTS_MAX);
  for (const nowMs of [0, 10_000]) memory.closeStalled(nowMs, [waiting, idle]);
  assert.deepEqual([waiting.closeReason === null, idle.closeReason === null], [true, false]);
});
