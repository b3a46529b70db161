import { strict as assert } from "node:assert";
import { allocateArena, Arena, BLOCK_BYTES_MAX } from "../shared/arena.ts";
import { type Parcel, Parcels } from "./parcels.ts";

const MIB = 1024 * 1024;
const buffer = allocateArena();

class Fixture {
  readonly arena: Arena;
  readonly parcels: Parcels;
  readonly sent: Parcel[] = [];

  constructor(options: { inOrder?: boolean; reservedBytes?: number } = {}) {
    this.arena = new Arena(buffer, options);
    this.parcels = new Parcels(this.arena, { inOrder: options.inOrder ?? true });
  }

  send(bytes: Uint8Array, length = bytes.length): void {
    this.parcels.send(bytes, length, (parcel) => void this.sent.push(parcel));
  }

  bytesOf({ start, length }: Parcel): Uint8Array {
    return this.arena.memory.bytes.slice(start, start + length);
  }

  /** Allocates all of the arena in blocks of one size. */
  fill(size: number): number[] {
    const blocks: number[] = [];
    for (let block = this.arena.allocate(size); block !== -1; block = this.arena.allocate(size)) blocks.push(block);
    return blocks;
  }
}

Deno.test("Parcels.send() packs small parcels into one block, and each holds it", () => {
  const fixture = new Fixture();
  for (let value = 0; value < 100; value++) fixture.send(new Uint8Array(100).fill(value));
  assert.equal(new Set(fixture.sent.map(({ block }) => block)).size, 1);
  for (const [value, parcel] of fixture.sent.entries()) {
    assert.deepEqual(fixture.bytesOf(parcel), new Uint8Array(100).fill(value));
  }
  assert.equal(fixture.arena.usedBytes, 64 * 1024);
});

Deno.test("Parcels.send() reuses a block from its start once everything in it was read, and never before", () => {
  const fixture = new Fixture();
  for (let count = 0; count < 3; count++) fixture.send(new Uint8Array(20_000).fill(count));
  const [first, second, third] = fixture.sent;
  fixture.parcels.release(first!.block);
  fixture.parcels.release(second!.block);
  fixture.send(new Uint8Array(20_000).fill(9)); // does not fit behind the third, which has not been read yet
  assert.notEqual(fixture.sent[3]!.block, third!.block);
  assert.deepEqual(fixture.bytesOf(third!), new Uint8Array(20_000).fill(2));
  fixture.parcels.release(third!.block);
  fixture.parcels.release(fixture.sent[3]!.block);
  fixture.send(new Uint8Array(30_000));
  fixture.parcels.release(fixture.sent[4]!.block);
  fixture.send(new Uint8Array(30_000));
  assert.equal(fixture.sent[5]!.start, fixture.sent[4]!.start);
  assert.equal(fixture.arena.usedBytes, 2 * 64 * 1024, "the block that was full is kept for the next time");
});

Deno.test("Parcels.send() alternates between two blocks in a full arena, as long as parcels are read", () => {
  const fixture = new Fixture();
  for (let count = 0; count < 4; count++) fixture.send(new Uint8Array(30_000));
  fixture.fill(16 * 1024);
  fixture.send(new Uint8Array(30_000));
  assert.equal(fixture.parcels.waitingCount, 1, "nothing has been read");
  let released = 0;
  for (let count = 5; count < 100; count++) {
    while (released < count - 2) fixture.parcels.release(fixture.sent[released++]!.block);
    fixture.parcels.sendWaiting();
    fixture.send(new Uint8Array(30_000).fill(count));
    assert.equal(fixture.parcels.waitingCount, 0);
    assert.deepEqual(fixture.bytesOf(fixture.sent[count]!), new Uint8Array(30_000).fill(count));
  }
});

Deno.test("Parcels.send() gives a large parcel a block of its own, up to the largest block", () => {
  const fixture = new Fixture();
  fixture.send(new Uint8Array(3 * MIB).fill(1));
  assert.equal(fixture.sent[0]!.start, fixture.sent[0]!.block);
  fixture.parcels.release(fixture.sent[0]!.block);
  assert.equal(fixture.arena.usedBytes, 0);
  fixture.send(new Uint8Array(BLOCK_BYTES_MAX));
  assert.equal(fixture.arena.usedBytes, BLOCK_BYTES_MAX);
});

Deno.test("Parcels keeps parcels without room in order until sendWaiting() finds room, and copies no more than their length", () => {
  const fixture = new Fixture();
  const blocks = fixture.fill(16 * 1024);
  const bytes = new Uint8Array(1000).fill(1);
  fixture.send(bytes, 10);
  bytes.fill(7); // the caller may reuse its buffer
  fixture.send(bytes, 20);
  assert.deepEqual([fixture.sent.length, fixture.parcels.waitingCount], [0, 2]);
  fixture.parcels.sendWaiting();
  assert.equal(fixture.sent.length, 0, "nothing was freed");
  for (const block of blocks.slice(0, 4)) fixture.arena.release(block);
  fixture.send(new Uint8Array(30).fill(3));
  assert.equal(fixture.sent.length, 0, "nobody overtakes");
  fixture.parcels.sendWaiting();
  assert.deepEqual(fixture.sent.map((parcel) => [...fixture.bytesOf(parcel)]), [
    Array(10).fill(1),
    Array(20).fill(7),
    Array(30).fill(3),
  ]);
  assert.equal(fixture.parcels.waitingCount, 0);
});

Deno.test("Parcels.sendWaiting() sends the parcels for which there is room, and keeps the others", () => {
  const fixture = new Fixture();
  const blocks = fixture.fill(16 * 1024);
  fixture.send(new Uint8Array(40_000));
  fixture.send(new Uint8Array(50_000));
  for (const block of blocks.slice(0, 4)) fixture.arena.release(block);
  fixture.parcels.sendWaiting();
  assert.deepEqual([fixture.sent.length, fixture.parcels.waitingCount], [1, 1]);
  fixture.parcels.release(fixture.sent[0]!.block);
  fixture.parcels.sendWaiting();
  assert.deepEqual([fixture.sent.length, fixture.parcels.waitingCount], [2, 0]);
});

Deno.test("Parcels.sendWaiting() uses the room of parcels that were read, although no block became free", () => {
  const fixture = new Fixture();
  for (let count = 0; count < 3; count++) fixture.send(new Uint8Array(20_000));
  fixture.fill(16 * 1024);
  fixture.send(new Uint8Array(20_000));
  assert.equal(fixture.sent.length, 3);
  for (const { block } of fixture.sent) fixture.parcels.release(block);
  fixture.parcels.sendWaiting();
  assert.equal(fixture.sent.length, 4);
});

Deno.test("Parcels uses the reserved block of a full arena for one parcel after the other, if it is large enough", () => {
  const fixture = new Fixture({ reservedBytes: MIB });
  const blocks = fixture.fill(16 * 1024);
  for (const length of [100, 500_000, 2 * MIB, 1]) fixture.send(new Uint8Array(length).fill(length % 251));
  assert.deepEqual([fixture.sent.length, fixture.parcels.waitingCount], [1, 3]);
  fixture.parcels.release(fixture.sent[0]!.block);
  fixture.parcels.sendWaiting();
  assert.deepEqual(fixture.bytesOf(fixture.sent[1]!), new Uint8Array(500_000).fill(500_000 % 251));
  fixture.parcels.release(fixture.sent[1]!.block);
  fixture.parcels.sendWaiting();
  assert.equal(fixture.sent.length, 2, "the next one is larger than that");
  for (const block of blocks) fixture.arena.release(block);
  fixture.parcels.sendWaiting();
  assert.deepEqual([fixture.sent.length, fixture.parcels.waitingCount], [4, 0]);
});

Deno.test("Parcels without `inOrder` lets small parcels pass a large one that waits", () => {
  const fixture = new Fixture({ inOrder: false });
  const blocks = fixture.fill(16 * 1024);
  fixture.send(new Uint8Array(2 * MIB));
  fixture.send(new Uint8Array(10));
  for (const block of blocks.slice(0, 4)) fixture.arena.release(block);
  fixture.parcels.sendWaiting();
  assert.deepEqual([fixture.sent.map(({ length }) => length), fixture.parcels.waitingCount], [[10], 1]);
  fixture.send(new Uint8Array(20));
  assert.equal(fixture.sent.length, 2);
  for (const block of blocks.slice(4)) fixture.arena.release(block);
  fixture.parcels.sendWaiting();
  assert.equal(fixture.parcels.waitingCount, 0);
});
