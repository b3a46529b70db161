import { strict as assert } from "node:assert";
import { TestDirectory } from "../../tests/log_fixture.ts";
import { Allocation, type AllocationCalls } from "./allocation.ts";
import { linuxFileSystem } from "./file_system.ts";

/** A file with some content, and an allocation whose calls can be replaced. */
function withFile(content: Uint8Array, use: (fd: number, calls: AllocationCalls) => void): Uint8Array {
  using directory = new TestDirectory();
  const path = `${directory.path}/file`;
  Deno.writeFileSync(path, content);
  const fd = linuxFileSystem.open(path, { write: true });
  try {
    use(fd, { ...linuxFileSystem, fallocate: () => false });
  } finally {
    linuxFileSystem.close(fd);
  }
  return Deno.readFileSync(path);
}

const content = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => 1 + i % 250);

Deno.test("Allocation.allocate() without fallocate writes zeros after the existing bytes and keeps those", () => {
  for (
    const [size, position, length] of [[0, 0, 4096], [100, 0, 4096], [100, 100, 5000], [200_000, 0, 300_000], [
      10,
      50,
      9,
    ]]
  ) {
    const bytes = content(size as number);
    let written = 0;
    const found = withFile(bytes, (fd, calls) => {
      const pwrite: AllocationCalls["pwrite"] = (...call) => (written += call[3], calls.pwrite(...call));
      assert.equal(new Allocation({ ...calls, pwrite }).allocate(fd, position as number, length as number), true);
    });
    const end = (position as number) + (length as number);
    assert.equal(written, length, "every byte of the range, so that no hole is left");
    assert.equal(found.length, Math.max(end, bytes.length));
    assert.deepEqual(found.subarray(0, bytes.length), bytes);
    assert.ok(found.subarray(bytes.length).every((byte) => byte === 0));
  }
});

Deno.test("Allocation.allocate() without fallocate restores the file's size when the disk is full", () => {
  const bytes = content(1000);
  const found = withFile(bytes, (fd, calls) => {
    let room = 100_000;
    const allocation = new Allocation({
      ...calls,
      pwrite: (fd, memory, start, length, position) => {
        const written = calls.pwrite(fd, memory, start, Math.min(length, room), position);
        room -= written;
        return written;
      },
    });
    assert.equal(allocation.allocate(fd, 0, 200_000), false);
    assert.equal(linuxFileSystem.size(fd), 1000);
    room = Infinity;
    assert.equal(allocation.allocate(fd, 0, 1000), true);
    const unreadable = new Allocation({ ...calls, pread: () => -1 });
    assert.equal(unreadable.allocate(fd, 0, 2000), false, "what cannot be read must not become zeros");
  });
  assert.deepEqual(found, bytes);
});

Deno.test("Allocation.allocate() treats a refusal as a full disk once fallocate has succeeded", () => {
  withFile(content(10), (fd, calls) => {
    let isFull = false;
    const allocation = new Allocation({
      ...calls,
      fallocate: (fd, position, length) => !isFull && linuxFileSystem.allocate(fd, position, length),
      pwrite: () => assert.fail("nothing is written where there is fallocate"),
    });
    assert.equal(allocation.allocate(fd, 0, 100), true);
    isFull = true;
    assert.equal(allocation.allocate(fd, 0, 200), false);
    assert.equal(linuxFileSystem.size(fd), 100);
  });
});
