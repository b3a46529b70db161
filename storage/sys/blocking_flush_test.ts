import { strict as assert } from "node:assert";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { flushFilesHere } from "./blocking_flush.ts";
import { linuxFileSystem } from "./file_system.ts";

/** Not a descriptor that can be flushed: man 2 fdatasync, EINVAL. */
const withUnflushable = async (use: (fds: number[], unflushable: number) => Promise<void>) =>
  await withDirectory(async (directory) => {
    const open = (name: string) => linuxFileSystem.open(`${directory}/${name}`, { write: true, create: true });
    const fds = Array.from({ length: 20 }, (_, index) => open(`${index}`));
    const unflushable = linuxFileSystem.open("/proc/self/comm", { write: true });
    await use(fds, unflushable);
    for (const fd of [...fds, unflushable]) linuxFileSystem.close(fd);
  });

Deno.test("flushFilesHere() flushes one file at once, and says whether the disk has it", async () => {
  await withUnflushable((fds, unflushable) => {
    assert.deepEqual(flushFilesHere([[fds[0]!]]), [true]);
    assert.deepEqual(flushFilesHere([[unflushable]]), [false]);
    assert.deepEqual(flushFilesHere([[fds[0]!, unflushable, fds[1]!]]), [false]);
    return Promise.resolve();
  });
});

Deno.test("flushFilesHere() flushes more groups than it has lanes, and a failure is that of its group alone", async () => {
  await withUnflushable(async (fds, unflushable) => {
    for (const failing of [0, 1, 7, 19]) {
      const groups = fds.map((fd, index) => index === failing ? [fd, unflushable] : [fd]);
      assert.deepEqual(await flushFilesHere(groups), fds.map((_, index) => index !== failing));
    }
  });
});
