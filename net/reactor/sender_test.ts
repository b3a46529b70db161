import { strict as assert } from "node:assert";
import { fillArena } from "../../partitions/shared/arena_testing.ts";
import { FAILED, WRITABLE } from "../../storage/mod.ts";
import { concatBytes } from "../../tests/record_batch_builder.ts";
import type { FileSlice } from "./file_slice.ts";
import { Sender, SENDFILE_BYTES_MIN } from "./sender.ts";
import { FakeShard, SocketPair } from "./socket_testing.ts";

const MIB = 1024 * 1024;

/** A file of known bytes that stays open during the test. */
class TestFile implements Disposable {
  readonly bytes: Uint8Array;
  readonly #file: Deno.FsFile;
  readonly fd: number;

  constructor(length: number) {
    this.bytes = new Uint8Array(length).map((_, index) => index * 13);
    const path = Deno.makeTempFileSync({ prefix: "barnabas-sender-" });
    Deno.writeFileSync(path, this.bytes);
    this.#file = Deno.openSync(path, { read: true, write: true });
    // The newest descriptor of the process that names the path.
    this.fd = Math.max(
      ...[...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name)).filter((fd) => names(fd, path)),
    );
    Deno.removeSync(path);
  }

  truncate(length: number): void {
    this.#file.truncateSync(length);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function names(fd: number, path: string): boolean {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`) === path;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A slice that counts how often its lease was returned. */
class TestSlice implements FileSlice {
  released = 0;
  readonly fd: number;
  readonly position: number;
  readonly byteLength: number;

  constructor(fd: number, position: number, byteLength: number) {
    this.fd = fd;
    this.position = position;
    this.byteLength = byteLength;
  }

  release(): void {
    this.released++;
  }
}

function create(pair: SocketPair) {
  const shard = new FakeShard();
  return { shard, sender: new Sender(pair.fd, shard, () => {}) };
}

/** Flushes until everything has left. */
async function drain(sender: Sender): Promise<void> {
  while (sender.flush() !== "drained") await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("Sender.flush() sends encoded bytes, payloads in memory, small and large slices in their order", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(3 * MIB);
  const { shard, sender } = create(pair);
  const small = new TestSlice(file.fd, 77, SENDFILE_BYTES_MIN - 1);
  const large = new TestSlice(file.fd, 1001, 2 * MIB);
  const encoded = new Uint8Array(100_000).map((_, index) => index);
  const payload = new Uint8Array(50_000).fill(7);
  const holes = [{ at: 10, payload: small }, { at: 10, payload }, { at: 20_000, payload: large }];
  assert.ok(sender.append(encoded, 90_000, holes));
  assert.equal(small.released, 1, "a copied slice is given back at once");
  assert.equal(large.released, 0);
  const expected = concatBytes([
    encoded.subarray(0, 10),
    file.bytes.subarray(77, 77 + small.byteLength),
    payload,
    encoded.subarray(10, 20_000),
    file.bytes.subarray(1001, 1001 + large.byteLength),
    encoded.subarray(20_000, 90_000),
  ]);
  assert.equal(sender.pendingBytes, expected.length);
  const receiving = pair.receive(expected.length);
  await drain(sender);
  assert.ok((await receiving).every((byte, index) => byte === expected[index]));
  assert.deepEqual([small.released, large.released, sender.pendingBytes, sender.heldBytes], [1, 1, 0, 0]);
  assert.deepEqual(shard.counts, { copiedSlices: 1, sentSlices: 1, loadedSlices: 0 });
  assert.equal(shard.arena.usedBytes, 0);
});

Deno.test("Sender.flush() is blocked by a client that does not receive, and continues where it stopped", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(8 * MIB);
  const { shard, sender } = create(pair);
  const slice = new TestSlice(file.fd, 0, 8 * MIB);
  assert.ok(sender.append(new Uint8Array([1, 2]), 2, [{ at: 1, payload: slice }]));
  // Until the client's buffer is full too.
  while (sender.flush() !== "blocked" || pair.isReady(WRITABLE));
  const pending = sender.pendingBytes;
  assert.ok(pending > 0 && pending < 8 * MIB + 2);
  for (let times = 0; times < 50; times++) assert.equal(sender.flush(), "blocked", "however often it is tried");
  assert.equal(sender.pendingBytes, pending);
  assert.equal(slice.released, 0);
  const receiving = pair.receive(8 * MIB + 2);
  await drain(sender);
  const received = await receiving;
  assert.ok(received.subarray(1, -1).every((byte, index) => byte === file.bytes[index]));
  assert.deepEqual([received[0], received.at(-1), slice.released, shard.arena.usedBytes], [1, 2, 1, 0]);
});

Deno.test("Sender.flush() is broken when a file ends before its slice", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(100_000);
  const { shard, sender } = create(pair);
  const slice = new TestSlice(file.fd, 50_000, 50_000);
  assert.ok(sender.append(new Uint8Array(4), 4, [{ at: 4, payload: slice }]));
  file.truncate(60_000);
  let result = sender.flush();
  for (let calls = 0; result !== "broken" && calls < 10; calls++) {
    for (const done of shard.loads.splice(0)) done();
    result = sender.flush();
  }
  assert.equal(result, "broken");
  sender.discard();
  assert.equal(slice.released, 1);
});

Deno.test("Sender.flush() is broken, not blocked for ever, when the socket has room and the file cannot be read", async () => {
  using pair = await SocketPair.open();
  const { shard, sender } = create(pair);
  const slice = new TestSlice(-1, 0, 50_000);
  assert.ok(sender.append(new Uint8Array(4), 4, [{ at: 4, payload: slice }]));
  const results = new Set<string>();
  for (let calls = 0; calls < 20 && !results.has("broken"); calls++) {
    results.add(sender.flush(true));
    for (const done of shard.loads.splice(0)) done();
  }
  assert.ok(results.has("broken"));
  sender.discard();
  assert.equal(slice.released, 1);
});

Deno.test("Sender.append() fails without room in the arena, and every lease is returned once", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(200_000);
  const { shard, sender } = create(pair);
  // Room for one block: the first hole's bytes fit, those of the second do not.
  const room = shard.arena.allocate(16 * 1024);
  const blocks = fillArena(shard.arena);
  shard.arena.release(room);
  const slices = [0, 1, 2].map((index) => new TestSlice(file.fd, index, 100_000));
  const holes = slices.map((payload, index) => ({ at: 10 + index * 10_000, payload }));
  assert.equal(sender.append(new Uint8Array(40_000), 40_000, holes), false);
  assert.deepEqual(slices.map(({ released }) => released), [0, 1, 1]);
  sender.discard();
  assert.deepEqual(slices.map(({ released }) => released), [1, 1, 1]);
  for (const block of blocks) shard.arena.release(block);
  assert.equal(shard.arena.usedBytes, 0);
});

Deno.test("Sender.append() sends a small slice from its file when the arena has no room for a copy", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(30_000);
  const { shard, sender } = create(pair);
  const room = shard.arena.allocate(16 * 1024);
  fillArena(shard.arena);
  shard.arena.release(room);
  const slice = new TestSlice(file.fd, 0, 30_000);
  assert.ok(sender.append(new Uint8Array([1, 2, 3]), 3, [{ at: 3, payload: slice }]));
  const receiving = pair.receive(30_003);
  await drain(sender);
  assert.deepEqual((await receiving).subarray(3), file.bytes);
  assert.equal(slice.released, 1);
});

Deno.test("Sender.discard() returns what was not sent, also after a part of it was", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(8 * MIB);
  const { shard, sender } = create(pair);
  const slices = [8, 1, 1].map((size) => new TestSlice(file.fd, 0, size * MIB));
  for (const payload of slices) assert.ok(sender.append(new Uint8Array(10), 10, [{ at: 5, payload }]));
  while (sender.flush() !== "blocked");
  sender.discard();
  sender.discard();
  assert.deepEqual(slices.map(({ released }) => released), [1, 1, 1]);
  assert.deepEqual([sender.pendingBytes, shard.arena.usedBytes, sender.flush()], [0, 0, "drained"]);
});

Deno.test("Sender.flush() to a disconnected client leaks nothing", async () => {
  using pair = await SocketPair.open();
  using file = new TestFile(MIB);
  const { shard, sender } = create(pair);
  const slice = new TestSlice(file.fd, 0, MIB);
  assert.ok(sender.append(new Uint8Array(10), 10, []));
  assert.equal(sender.flush(), "drained");
  // The close becomes a reset, because the client has not received these bytes.
  pair.peer.close();
  pair.ready(FAILED);
  assert.ok(sender.append(new Uint8Array(10), 10, [{ at: 10, payload: slice }]));
  assert.notEqual(sender.flush(), "drained");
  sender.discard();
  assert.deepEqual([slice.released, shard.arena.usedBytes], [1, 0]);
});

/** Memory for the answers of a broker with one shard. */
const ANSWERS_BYTES_MAX = 48 * MIB;

Deno.test("Sender counts its part of the memory for answers, and returns it when answers are sent, discarded or evicted", async () => {
  for (const end of ["sent", "discarded", "evicted"]) {
    using pair = await SocketPair.open();
    using file = new TestFile(MIB);
    const { shard, sender } = create(pair);
    const slice = new TestSlice(file.fd, 0, MIB);
    const answer = new Uint8Array(100_000);
    assert.ok(sender.append(answer, answer.length, [{ at: 10, payload: slice }]));
    assert.ok(shard.answers.hasRoom(ANSWERS_BYTES_MAX - sender.heldBytes));
    assert.ok(!shard.answers.hasRoom(ANSWERS_BYTES_MAX - sender.heldBytes + 1), end);
    if (end === "sent") {
      const receiving = pair.receive(answer.length + MIB);
      await drain(sender);
      await receiving;
    } else if (end === "discarded") sender.discard();
    else {
      shard.answers.add(ANSWERS_BYTES_MAX);
      shard.closeMostUnsent = () => {
        sender.discard();
        return true;
      };
      assert.equal(sender.append(new Uint8Array(MIB), MIB, []), false, "it was the one that was closed");
      shard.answers.add(-ANSWERS_BYTES_MAX);
    }
    assert.deepEqual([sender.heldBytes, slice.released], [0, 1], end);
    assert.ok(shard.answers.hasRoom(ANSWERS_BYTES_MAX), end);
    assert.ok(!shard.answers.hasRoom(ANSWERS_BYTES_MAX + 1), end);
    assert.equal(shard.arena.usedBytes, 0);
  }
});
