import { strict as assert } from "node:assert";
import { allocateArena, Arena } from "../../partitions/shared/arena.ts";
import {
  closeDescriptor,
  Epoll,
  isResident,
  linuxFileSystem,
  nativeMemory,
  readResident,
  WRITABLE,
} from "../../storage/mod.ts";
import { Handoff } from "../accept/handoff.ts";
import { ColdReader, type FileRange } from "../shards/cold_reader.ts";
import { AnswerMemory } from "./answer_memory.ts";
import type { FileSlice } from "./file_slice.ts";
import { Sender } from "./sender.ts";

const POSIX_FADV_DONTNEED = 4;
const evict = Deno.dlopen("libc.so.6", {
  posix_fadvise: { parameters: ["i32", "i64", "i64", "i32"], result: "i32" },
}).symbols.posix_fadvise;

/** A file of a known pattern that is not in the page cache. */
function coldFile(bytes: number): number {
  const path = Deno.makeTempFileSync({ prefix: "barnabas-cold-" });
  const fd = linuxFileSystem.open(path, { write: true });
  const memory = nativeMemory(new ArrayBuffer(bytes));
  for (let at = 0; at < bytes; at++) memory.bytes[at] = at * 7;
  linuxFileSystem.pwrite(fd, memory, 0, bytes, 0);
  linuxFileSystem.fdatasync(fd);
  evict(fd, 0n, BigInt(bytes), POSIX_FADV_DONTNEED);
  Deno.removeSync(path);
  return fd;
}

async function socketPair(): Promise<{ out: number; peer: Deno.TcpConn }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [peer, accepted] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  listener.close();
  using handoff = new Handoff();
  return { out: handoff.take(accepted), peer };
}

Deno.test("readResident() and isResident() refuse what is not in the page cache, and read what is", () => {
  const fd = coldFile(1 << 20);
  const memory = nativeMemory(new ArrayBuffer(1 << 20));
  assert.equal(isResident(fd, 0, 1 << 20), false);
  // A busy disk may keep some of its pages.
  assert.ok(readResident({ fd, position: 0 }, memory, { start: 0, length: 1 << 20 }) < 1 << 20);
  // A kernel that is short of memory may drop a page at once, but not every time.
  let [attempts, count] = [0, 0];
  do {
    linuxFileSystem.pread(fd, nativeMemory(new ArrayBuffer(1 << 20)), 0, 1 << 20, 0);
    const isAllThere = isResident(fd, 0, 1 << 20);
    count = isAllThere ? readResident({ fd, position: 700 }, memory, { start: 96, length: 4000 }) : 0;
  } while (count !== 4000 && ++attempts < 5);
  assert.equal(count, 4000);
  assert.equal(memory.bytes[96], (700 * 7) & 255);
  closeDescriptor(fd);
});

Deno.test("ColdReader.load() brings every range into the page cache, also when there are more than it reads at a time", async () => {
  const fd = coldFile(8 << 20);
  const reader = new ColdReader();
  const ranges = Array.from({ length: 32 }, (_, index) => ({ fd, position: index << 18, length: 1 << 18 }));
  // A kernel that is short of memory may drop a page at once, but not every time.
  let attempts = 0;
  do await Promise.all(ranges.map((range) => reader.load(range))); while (
    !isResident(fd, 0, 8 << 20) && ++attempts < 5
  );
  assert.ok(attempts < 5);
  closeDescriptor(fd);
});

for (const bytes of [20_000, 3_000_000]) {
  Deno.test(`Sender.flush() loads a cold slice of ${bytes} bytes before it sends it, complete and in order`, async () => {
    const fd = coldFile(bytes);
    const { out, peer } = await socketPair();
    const loads: { range: FileRange; done: () => void }[] = [];
    const counts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
    const arena = new Arena(allocateArena());
    let wakes = 0;
    const sender = new Sender(
      out,
      {
        arena,
        answers: new AnswerMemory(1),
        counts,
        load: (range, done) => loads.push({ range, done }),
        closeMostUnsent: () => false,
      },
      () => wakes++,
    );
    let released = 0;
    const file: FileSlice = { fd, position: 0, byteLength: bytes, release: () => released++ };
    assert.ok(sender.append(new Uint8Array([1, 2, 3, 4]), 4, [{ at: 2, payload: file }]));
    const received = readAll(peer, bytes + 4);
    const reader = new ColdReader();
    using epoll = new Epoll(1);
    epoll.add(out, WRITABLE);
    for (let result = sender.flush(); result !== "drained"; result = sender.flush()) {
      if (result === "blocked") await new Promise((resolve) => setTimeout(resolve, 1));
      for (const { range, done } of loads.splice(0)) {
        assert.equal(released, 0);
        await reader.load(range);
        done();
      }
    }
    assert.equal(released, 1);
    // The kernel may have started to read a small slice ahead when it was probed.
    assert.ok(counts.loadedSlices === wakes && (wakes > 0 || bytes < 100_000));
    const all = await received;
    assert.deepEqual([all[0], all[1], all[bytes + 2], all[bytes + 3]], [1, 2, 3, 4]);
    for (let at = 0; at < bytes; at++) if (all[at + 2] !== ((at * 7) & 255)) assert.fail(`wrong byte at ${at}`);
    assert.equal(arena.usedBytes, 0);
    peer.close();
    closeDescriptor(out);
    closeDescriptor(fd);
  });
}

Deno.test("Sender.discard() keeps the lease of a slice until its load is done", async () => {
  const fd = coldFile(100_000);
  const { out, peer } = await socketPair();
  const loads: (() => void)[] = [];
  const counts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
  const tools = {
    arena: new Arena(allocateArena()),
    answers: new AnswerMemory(1),
    counts,
    load: (_: FileRange, done: () => void) => loads.push(done),
    closeMostUnsent: () => false,
  };
  const sender = new Sender(out, tools, () => assert.fail("nobody is waiting any more"));
  let released = 0;
  sender.append(new Uint8Array(4), 4, [{
    at: 4,
    payload: { fd, position: 0, byteLength: 100_000, release: () => released++ } as FileSlice,
  }]);
  assert.equal(sender.flush(), "loading");
  assert.equal(sender.flush(), "loading");
  assert.equal(loads.length, 1);
  sender.discard();
  assert.equal(released, 0);
  loads[0]?.();
  assert.equal(released, 1);
  peer.close();
  closeDescriptor(out);
  closeDescriptor(fd);
});

Deno.test("Sender.flush() loads what follows a sent slice, one load at a time, and nothing beyond the end of the file", async () => {
  const bytes = 8 << 20;
  const fd = coldFile(bytes);
  const memory = nativeMemory(new ArrayBuffer(200_000));
  const { out, peer } = await socketPair();
  const loads: { range: FileRange; done: () => void }[] = [];
  const counts = { copiedSlices: 0, sentSlices: 0, loadedSlices: 0 };
  const tools = {
    arena: new Arena(allocateArena()),
    answers: new AnswerMemory(1),
    counts,
    load: (range: FileRange, done: () => void) => loads.push({ range, done }),
    closeMostUnsent: () => false,
  };
  const sender = new Sender(out, tools, () => {});
  let released = 0;
  const sendAt = async (position: number) => {
    linuxFileSystem.pread(fd, memory, 0, 50_000, position);
    const payload = { fd, position, byteLength: 50_000, release: () => released++ } as FileSlice;
    sender.append(new Uint8Array(4), 4, [{ at: 4, payload }]);
    const received = readAll(peer, 50_004);
    while (sender.flush() !== "drained") await new Promise((resolve) => setTimeout(resolve, 1));
    await received;
  };
  await sendAt(0);
  assert.deepEqual(loads.map(({ range: { position, length } }) => [position, length]), [[50_000, 1 << 20]]);
  assert.equal(released, 0);
  await sendAt(50_000);
  assert.equal(loads.length, 1, "one at a time");
  assert.equal(released, 1);
  loads[0]!.done();
  assert.equal(released, 2);
  await sendAt(bytes - 50_000);
  assert.equal(loads.length, 1, "nothing follows the end");
  assert.equal(released, 3);
  peer.close();
  closeDescriptor(out);
  closeDescriptor(fd);
});

async function readAll(from: Deno.TcpConn, length: number): Promise<Uint8Array> {
  const all = new Uint8Array(length);
  for (let at = 0; at < length;) at += await from.read(all.subarray(at)) ?? length;
  return all;
}

Deno.test("ColdReader.loadFiles() brings whole files into the page cache, and skips missing files", async () => {
  const path = Deno.makeTempFileSync({ prefix: "barnabas-cold-" });
  const fd = linuxFileSystem.open(path, { write: true });
  const bytes = 1 << 20;
  linuxFileSystem.pwrite(fd, nativeMemory(new ArrayBuffer(bytes)), 0, bytes, 0);
  linuxFileSystem.fdatasync(fd);
  evict(fd, 0n, BigInt(bytes), POSIX_FADV_DONTNEED);
  assert.equal(isResident(fd, 0, bytes), false);
  const reader = new ColdReader();
  await Promise.all([reader.loadFiles([`${path}.missing`, path]), reader.loadFiles(["/"])]);
  assert.ok(isResident(fd, 0, bytes));
  closeDescriptor(fd);
  Deno.removeSync(path);
});
