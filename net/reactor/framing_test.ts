import { strict as assert } from "node:assert";
import { allocateArena, Arena } from "../../partitions/shared/arena.ts";
import { fillArena } from "../../partitions/shared/arena_testing.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import { Framing, type FramingOwner, type ReceiveResult } from "./framing.ts";
import { LANDING_BYTES, RequestMemory } from "./request_memory.ts";
import { frame, sizePrefix } from "./socket_testing.ts";

const MIB = 1024 * 1024;
const FRAME_BYTES_MAX = 100 * MIB;

/** A stream that delivers as many bytes at a time as the test says, and records what happened. */
class Stream implements FramingOwner {
  readonly arena = new Arena(allocateArena(), { reservedBytes: 4 + FRAME_BYTES_MAX });
  readonly memory = new RequestMemory(this.arena, { budgetBytes: Infinity, requestBytesMax: FRAME_BYTES_MAX });
  readonly framing = new Framing(this, this);
  frameBytesMax = FRAME_BYTES_MAX;
  closeReason: string | null = null;
  /** Whole frames, as copies. */
  readonly frames: Uint8Array[] = [];
  readonly handledCounts: number[] = [];
  /** What the owner does with a frame. */
  take: (start: number, length: number) => boolean = () => true;
  /** Results of `closeMostUnsent()` in order; false afterwards. */
  readonly rooms: (() => boolean)[] = [];
  #arrived: Uint8Array[] = [];
  #hasEnded = false;

  get heldBytes(): number {
    return this.framing.heldBytes;
  }

  get movedBytes(): number {
    return this.framing.receivedBytes;
  }

  /** Adds bytes, which one call receives at most. */
  arrive(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#arrived.push(bytes);
  }

  end(): void {
    this.#hasEnded = true;
  }

  receiveInto(at: number, length: number): number {
    const [bytes, ...others] = this.#arrived;
    if (bytes === undefined) return this.#hasEnded ? 0 : -1;
    const count = Math.min(bytes.length, length);
    this.arena.memory.bytes.set(bytes.subarray(0, count), at);
    this.#arrived = count < bytes.length ? [bytes.subarray(count), ...others] : others;
    return count;
  }

  /** Receives until there is nothing left. @returns how the last receive ended */
  receiveAll(): ReceiveResult {
    for (;;) {
      const result = this.framing.receive();
      if (result !== "more" && result !== "drained" || this.closeReason !== null) return result;
    }
  }

  onFrame(start: number, length: number, handledCount: number): boolean {
    if (!this.take(start, length)) return false;
    this.frames.push(this.arena.memory.bytes.slice(start, start + length));
    this.handledCounts.push(handledCount);
    return true;
  }

  onInvalidSize(size: number): void {
    this.close(`invalid ${size}`);
  }

  onMemory(block: number): void {
    if (block !== -1) this.framing.growInto(block);
  }

  closeMostUnsent(): boolean {
    return this.rooms.shift()?.() ?? false;
  }

  close(reason: string): void {
    this.closeReason ??= reason;
  }

  /** Asserts that no block is held except those for receiving. */
  assertNothingHeld(): void {
    assert.ok(this.framing.isEmpty);
    assert.equal(this.heldBytes, 0);
    this.memory.releaseLanding();
    assert.equal(this.arena.usedBytes, 0);
  }
}

Deno.test("Framing finds the same frames for every cut of a stream into three reads, and for single bytes", () => {
  const parts = [frame(1), frame(2, 0), frame(3, 30), frame(4, 1), frame(5, 7)];
  const bytes = concatBytes(parts);
  const expected = parts.map((part) => part.subarray(4));
  const stream = new Stream();
  const check = (cuts: readonly number[], shown: string) => {
    stream.frames.length = 0;
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      stream.arrive(bytes.subarray(from, to));
      from = to;
    }
    assert.equal(stream.receiveAll(), "nothing");
    assert.deepEqual(stream.frames, expected, shown);
  };
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) check([first, second], `cut at ${first} and ${second}`);
  }
  check(Array.from({ length: bytes.length - 1 }, (_, index) => index + 1), "single bytes");
  stream.assertNothingHeld();
});

Deno.test("Framing assembles frames that are larger than its blocks, in pieces of every size class", () => {
  const large = frame(7, 9 * MIB);
  const bytes = concatBytes([frame(1), large, frame(2, LANDING_BYTES), frame(3)]);
  for (const piece of [1000, 64 * 1024, 64 * 1024 + 1, LANDING_BYTES, LANDING_BYTES + 3, 5 * MIB]) {
    const stream = new Stream();
    for (let from = 0; from < bytes.length; from += piece) stream.arrive(bytes.subarray(from, from + piece));
    assert.equal(stream.receiveAll(), "nothing");
    assert.deepEqual(stream.frames.map(({ length }) => length), [12, 9 * MIB, LANDING_BYTES, 12], `pieces of ${piece}`);
    assert.ok(stream.frames[1]?.every((byte, at) => byte === large[4 + at]));
    assert.equal(stream.movedBytes, bytes.length);
    stream.assertNothingHeld();
  }
});

Deno.test("Framing.receive() says how it ended: room filled, stream drained, nothing there, end of the stream", () => {
  const stream = new Stream();
  assert.equal(stream.framing.receive(), "nothing");
  stream.arrive(concatBytes(Array.from({ length: LANDING_BYTES / 16 }, () => frame(1))));
  assert.equal(stream.framing.receive(), "more");
  stream.arrive(frame(1));
  assert.equal(stream.framing.receive(), "drained");
  stream.arrive(frame(2).subarray(0, 6));
  assert.equal(stream.framing.receive(), "drained");
  stream.arrive(frame(2).subarray(6));
  assert.equal(stream.framing.receive(), "more", "all that the frame wanted");
  stream.end();
  assert.equal(stream.framing.receive(), "ended");
});

Deno.test("Framing reports an invalid size wherever it is cut, after the frames before it, and takes no memory for it", () => {
  for (const size of [-1, -0x8000_0000, 1001, 0x7fff_ffff]) {
    const bytes = concatBytes([frame(1), sizePrefix(size), frame(2)]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const stream = new Stream();
      stream.frameBytesMax = 1000;
      stream.arrive(bytes.subarray(0, cut));
      stream.arrive(bytes.subarray(cut));
      stream.receiveAll();
      assert.deepEqual([stream.frames.length, stream.closeReason], [1, `invalid ${size}`], `cut at ${cut}`);
      assert.ok(stream.heldBytes <= 64 * 1024);
      stream.framing.discard();
      stream.assertNothingHeld();
    }
  }
  const largest = new Stream();
  largest.frameBytesMax = 1000;
  largest.arrive(frame(1, 1000));
  assert.equal(largest.receiveAll(), "nothing");
  assert.deepEqual([largest.frames.length, largest.closeReason], [1, null]);
});

Deno.test("Framing takes at most eight times the memory of what arrived, whatever size is announced", () => {
  const stream = new Stream();
  stream.arrive(sizePrefix(FRAME_BYTES_MAX));
  for (let arrived = 4; arrived < 2 * MIB; arrived += 10_000) {
    stream.arrive(new Uint8Array(10_000));
    stream.receiveAll();
    assert.ok(stream.heldBytes <= Math.max(64 * 1024, 16 * arrived), `${stream.heldBytes} bytes for ${arrived}`);
  }
});

Deno.test("Framing keeps a frame that has to wait with everything behind it, then continues there and counts anew", () => {
  for (const cut of [40, 48]) {
    const stream = new Stream();
    const bytes = concatBytes([1, 2, 3].map((id) => frame(id)));
    let room = 1;
    stream.take = () => room-- > 0;
    stream.arrive(bytes.subarray(0, cut));
    stream.framing.receive();
    assert.equal(stream.frames.length, 1);
    stream.framing.handleKept();
    assert.equal(stream.frames.length, 1, "it still has to wait");
    room = 1;
    stream.framing.handleKept();
    assert.equal(stream.frames.length, 2);
    room = 1;
    stream.framing.handleKept();
    stream.arrive(bytes.subarray(cut));
    stream.receiveAll();
    assert.deepEqual(stream.frames, [1, 2, 3].map((id) => frame(id).subarray(4)));
    assert.deepEqual(stream.handledCounts, [0, 0, 0]);
    stream.assertNothingHeld();
  }
});

Deno.test("Framing handles no frame after its owner has closed, in either kind of block", () => {
  for (const isKept of [false, true]) {
    const stream = new Stream();
    stream.take = () => {
      stream.close("enough");
      return true;
    };
    if (isKept) {
      stream.arrive(frame(1).subarray(0, 5));
      stream.receiveAll();
      stream.arrive(concatBytes([frame(1).subarray(5), frame(2)]));
    } else stream.arrive(concatBytes([frame(1), frame(2)]));
    stream.receiveAll();
    assert.equal(stream.frames.length, 1);
    stream.framing.handleKept();
    assert.equal(stream.frames.length, 1);
    stream.framing.discard();
    stream.assertNothingHeld();
  }
});

Deno.test("Framing waits for memory when the arena is full, first for a landing block, then for an own block, and loses no byte", () => {
  const stream = new Stream();
  const { arena, memory } = stream;
  const giveBack = (blocks: readonly number[]) => {
    for (const block of blocks) arena.release(block);
  };
  const bytes = frame(7, 5 * MIB);
  stream.arrive(bytes.subarray(0, 1000));
  let taken = fillArena(arena);
  assert.equal(stream.framing.receive(), "noMemory");
  assert.ok(memory.isWaiting(stream));
  giveBack(taken);
  memory.grantWaiting();
  assert.ok(!memory.isWaiting(stream));
  assert.equal(stream.framing.receive(), "drained");
  taken = fillArena(arena);
  // Another holder has the reserved block.
  const reserved = arena.allocateReserved();
  for (let from = 1000; from < bytes.length; from += LANDING_BYTES) {
    stream.arrive(bytes.subarray(from, from + LANDING_BYTES));
  }
  assert.equal(stream.receiveAll(), "noMemory");
  assert.ok(memory.isWaiting(stream));
  arena.release(reserved);
  memory.grantWaiting();
  assert.equal(stream.receiveAll(), "nothing");
  assert.deepEqual(stream.frames.map(({ length }) => length), [5 * MIB]);
  assert.ok(stream.frames[0]?.every((byte, at) => byte === bytes[4 + at]));
  giveBack(taken);
  stream.assertNothingHeld();
});

Deno.test("Framing asks for room when it cannot keep what has arrived, and closes when there is none", () => {
  for (const hasRoom of [true, false]) {
    const stream = new Stream();
    const { arena } = stream;
    assert.notEqual(stream.memory.landing, -1);
    while (arena.allocate(MIB) !== -1);
    let last = -1;
    for (let block = arena.allocate(16 * 1024); block !== -1; block = arena.allocate(16 * 1024)) last = block;
    if (hasRoom) {
      stream.rooms.push(() => {
        arena.release(last);
        return true;
      });
    }
    const bytes = frame(1);
    stream.arrive(bytes.subarray(0, 9));
    stream.receiveAll();
    assert.equal(stream.closeReason, hasRoom ? null : "no memory for a request");
    if (!hasRoom) continue;
    stream.arrive(bytes.subarray(9));
    stream.receiveAll();
    assert.deepEqual(stream.frames, [bytes.subarray(4)]);
  }
});

Deno.test("Framing replaces a block that another shard still reads, landing block or own, and writes into neither", () => {
  for (const isOwn of [false, true]) {
    const stream = new Stream();
    const { arena, framing } = stream;
    const { landing } = stream.memory;
    const bytes = frame(1, 100);
    let block = -1;
    stream.take = () => {
      if (block === -1) arena.retain(block = framing.currentBlock);
      return true;
    };
    if (isOwn) {
      stream.arrive(bytes.subarray(0, 50));
      stream.receiveAll();
      stream.arrive(bytes.subarray(50));
    } else stream.arrive(bytes);
    stream.receiveAll();
    assert.equal(block === landing, !isOwn);
    for (let id = 2; id < 20; id++) {
      stream.arrive(frame(id, 100).subarray(0, 50));
      stream.receiveAll();
      stream.arrive(frame(id, 100).subarray(50));
      stream.receiveAll();
    }
    assert.equal(stream.frames.length, 19);
    assert.deepEqual(arena.memory.bytes.slice(block, block + bytes.length), bytes);
    arena.release(block);
    stream.assertNothingHeld();
  }
});
