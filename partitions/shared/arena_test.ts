import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { allocateArena, Arena, ARENA_BYTES, BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, KEEP_BYTES } from "./arena.ts";

Deno.test("Arena.allocate() gives blocks that do not overlap and are large enough, for a random history", () => {
  const seed = Number(Deno.env.get("BARNABAS_SEED") ?? 4711);
  const random = createRandom(seed);
  const arena = new Arena(allocateArena());
  const held = new Map<number, number>();
  for (let step = 0; step < 20_000; step++) {
    if (held.size > 0 && random() < 0.5) {
      const [start] = [...held.keys()].slice(Math.floor(random() * held.size));
      arena.release(start as number);
      held.delete(start as number);
      continue;
    }
    const length = 1 + Math.floor(random() ** 6 * (BLOCK_BYTES_MAX / 4));
    const start = arena.allocate(length);
    if (start === -1) continue;
    assert.ok(arena.sizeOf(start) >= length && arena.sizeOf(start) < 2 * Math.max(length, BLOCK_BYTES_MIN));
    assert.equal(start % arena.sizeOf(start), 0, `seed ${seed}: a block is aligned to its size`);
    for (const [other, size] of held) {
      assert.ok(start + arena.sizeOf(start) <= other || other + size <= start, `seed ${seed}: overlap at step ${step}`);
    }
    held.set(start, arena.sizeOf(start));
  }
  const used = [...held.values()].reduce((sum, size) => sum + size, 0);
  assert.equal(arena.usedBytes, used);
});

Deno.test("Arena.release() merges buddies until the whole arena can be allocated again", () => {
  const arena = new Arena(allocateArena());
  const blocks: number[] = [];
  for (let block = arena.allocate(1); block !== -1; block = arena.allocate(1)) blocks.push(block);
  assert.equal(blocks.length, ARENA_BYTES / BLOCK_BYTES_MIN);
  assert.equal(arena.allocate(1), -1);
  for (const block of blocks) arena.release(block);
  const large = Array.from({ length: ARENA_BYTES / BLOCK_BYTES_MAX }, () => arena.allocate(BLOCK_BYTES_MAX));
  assert.ok(large.every((block) => block !== -1));
  assert.equal(arena.allocate(1), -1);
});

Deno.test("Arena.retain() keeps a block until its last holder releases it", () => {
  const arena = new Arena(allocateArena());
  const block = arena.allocate(100_000);
  arena.retain(block);
  assert.ok(arena.isShared(block));
  arena.release(block);
  assert.equal(arena.isShared(block), false);
  assert.equal(arena.usedBytes, 128 * 1024);
  arena.release(block);
  assert.equal(arena.usedBytes, 0);
  assert.throws(() => arena.release(block), /held/);
});

Deno.test("Arena.allocate() takes the lowest free address", () => {
  const arena = new Arena(allocateArena());
  const [first, second] = [arena.allocate(1), arena.allocate(1)];
  arena.allocate(1);
  arena.release(first as number);
  assert.equal(arena.allocate(1), first);
  arena.release(second as number);
  assert.equal(arena.allocate(1), second);
});

Deno.test("Arena.allocateReserved() always finds its block in one piece, and gives it to one holder at a time", () => {
  const arena = new Arena(allocateArena(), { reservedBytes: 5_000_000 });
  const blocks: number[] = [];
  for (let block = arena.allocate(1); block !== -1; block = arena.allocate(1)) blocks.push(block);
  assert.equal(arena.usedBytes, arena.sharedBytes);
  assert.equal(arena.sharedBytes, ARENA_BYTES - 8 * 1024 * 1024);
  const reserved = arena.allocateReserved();
  assert.equal(reserved, arena.sharedBytes);
  assert.ok(blocks.every((block) => block < reserved));
  assert.equal(arena.sizeOf(reserved), 8 * 1024 * 1024);
  assert.equal(arena.allocateReserved(), -1);
  arena.retain(reserved);
  arena.release(reserved);
  assert.equal(arena.allocateReserved(), -1, "somebody still reads it");
  const freedCount = arena.freedCount;
  arena.release(reserved);
  assert.equal(arena.freedCount, freedCount + 1);
  assert.equal(arena.allocateReserved(8 * 1024 * 1024 + 1), -1, "it is smaller");
  assert.equal(arena.allocateReserved(8 * 1024 * 1024), reserved);
  for (const block of blocks) arena.release(block);
  assert.equal(arena.usedBytes, 0);
  assert.equal(new Arena(allocateArena()).allocateReserved(), -1, "only where one was set aside");
});

Deno.test("Arena.discardFree() empties every free block, and no byte of a block that is held", () => {
  const MIB = 1024 * 1024;
  for (
    const sizes of [[16_384, 1, 100_000, MIB, 5 * MIB], [128 * MIB], [64 * MIB, 16_384], [8 * MIB, 8 * MIB, 16 * MIB]]
  ) {
    const arena = new Arena(allocateArena());
    const { bytes } = arena.memory;
    const touched = 40 * MIB;
    assert.ok(KEEP_BYTES < touched);
    const earlier = arena.allocate(64 * MIB);
    bytes.fill(7, 0, touched);
    arena.release(earlier);
    const blocks = sizes.map((size) => arena.allocate(size));
    const gone = blocks.filter((_, index) => index % 2 === 1);
    for (const block of blocks) bytes.fill(7, block, Math.min(block + arena.sizeOf(block), touched));
    const held = new Uint8Array(touched);
    for (const block of blocks) if (!gone.includes(block)) held.fill(1, block, block + arena.sizeOf(block));
    for (const block of gone) arena.release(block);
    arena.discardFree();
    let keptCount = 0;
    for (let at = 0; at < touched; at += 4096) {
      if (held[at] === 1) assert.equal(bytes[at], 7, `${sizes}: byte ${at} is held`);
      else if (bytes[at] !== 0) keptCount++;
    }
    // The memory does not begin at a page boundary: the first and last page of a range may belong to a neighbour.
    assert.ok(keptCount <= 40, `${sizes}: ${keptCount} pages kept`);
  }
});

Deno.test("Arena.release() returns the pages behind KEEP_BYTES to the kernel, also of a block that begins before it", () => {
  const arena = new Arena(allocateArena());
  const { bytes } = arena.memory;
  const block = arena.allocate(2 * KEEP_BYTES);
  assert.ok(block < KEEP_BYTES && arena.sizeOf(block) > KEEP_BYTES);
  bytes.fill(7, block, block + 2 * KEEP_BYTES);
  arena.release(block);
  assert.equal(bytes.subarray(block, KEEP_BYTES).indexOf(0), -1, "what is kept");
  // The page at either end may belong to a neighbour too.
  const [from, end] = [KEEP_BYTES + 64 * 1024, 2 * KEEP_BYTES - 64 * 1024];
  assert.equal(bytes.subarray(from, end).indexOf(7), -1, "what is not");
});
