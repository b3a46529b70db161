import { strict as assert } from "node:assert";
import { Crash, CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { readText, replaceFile } from "./atomic_file.ts";
import { type FileSystem, linuxFileSystem } from "../sys/file_system.ts";
import { SystemError } from "../sys/libc.ts";

const path = "/logs/recovery-point-offset-checkpoint";
const before = new TextEncoder().encode("0\n1\nold 0 1\n");
const after = new TextEncoder().encode(`0\n1\n${"new".repeat(100)} 0 2\n`);

function seededRandom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1);
  return () => ((state = Math.imul(state, 1664525) + 1013904223 | 0) >>> 0) / 2 ** 32;
}

/** A disk on which the file has its old content, durably. */
function diskWithOld(seed: number): CrashingFileSystem {
  const disk = new CrashingFileSystem(seededRandom(seed));
  replaceFile(disk.fileSystem, path, before);
  disk.calls = 0;
  return disk;
}

function readBack(fs: FileSystem): string | null {
  return readText(fs, path);
}

Deno.test("replaceFile() leaves the complete old or new content after a crash at any call", () => {
  const oldText = new TextDecoder().decode(before);
  const newText = new TextDecoder().decode(after);
  const complete = diskWithOld(0);
  replaceFile(complete.fileSystem, path, after);
  const calls = complete.calls;
  assert.ok(calls >= 4, `${calls} calls`);
  const seen = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    for (const survival of ["all", "none", "random"] as const) {
      for (let crashAt = 1; crashAt <= calls; crashAt++) {
        const disk = diskWithOld(seed);
        disk.crashAt = crashAt;
        assert.throws(() => replaceFile(disk.fileSystem, path, after), Crash);
        disk.restart(survival);
        const found = readBack(disk.fileSystem);
        assert.ok(found === oldText || found === newText, `call ${crashAt}, ${survival}, seed ${seed}: ${found}`);
        seen.add(found);
        // A leftover file does not disturb a later write.
        replaceFile(disk.fileSystem, path, after);
        assert.equal(readBack(disk.fileSystem), newText);
      }
    }
  }
  assert.equal(seen.size, 2, "both outcomes happen");
});

Deno.test("replaceFile() has made the new content durable when it returns", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const disk = diskWithOld(seed);
    replaceFile(disk.fileSystem, path, after);
    disk.restart(seed % 2 === 0 ? "none" : "random");
    assert.equal(readBack(disk.fileSystem), new TextDecoder().decode(after));
  }
});

Deno.test("the crash test finds a missing flush of the file, and one of its directory (canary)", () => {
  for (const lie of ["fdatasync", "syncDirectory"] as const) {
    let lost = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const disk = diskWithOld(seed);
      replaceFile({ ...disk.fileSystem, [lie]: () => true }, path, after);
      disk.restart("random");
      if (readBack(disk.fileSystem) !== new TextDecoder().decode(after)) lost++;
    }
    assert.ok(lost > 0, lie);
  }
});

Deno.test("replaceFile() throws when the disk refuses a step, and keeps the old content until the rename", () => {
  const refusals: Partial<FileSystem>[] = [
    { pwrite: () => -1 },
    { pwrite: (_fd, _memory, _start, length) => length - 1 },
    { fdatasync: () => false },
    {
      open: () => {
        throw new SystemError("open a file");
      },
    },
    {
      rename: () => {
        throw new Deno.errors.PermissionDenied("rename");
      },
    },
  ];
  for (const refusal of refusals) {
    const disk = diskWithOld(1);
    let opened = 0;
    const counting: FileSystem = {
      ...disk.fileSystem,
      open: (name, mode) => (opened++, disk.fileSystem.open(name, mode)),
      close: (fd) => (opened--, disk.fileSystem.close(fd)),
      ...refusal,
    };
    assert.throws(() => replaceFile(counting, path, after));
    assert.equal(opened, 0, "no descriptor stays open");
    assert.equal(readBack(disk.fileSystem), new TextDecoder().decode(before));
  }
  const disk = diskWithOld(1);
  assert.throws(() => replaceFile({ ...disk.fileSystem, syncDirectory: () => false }, path, after), SystemError);
  const full = diskWithOld(1);
  full.capacityBytes = 100;
  assert.throws(() => replaceFile(full.fileSystem, path, after), SystemError);
  assert.equal(readBack(full.fileSystem), new TextDecoder().decode(before));
});

Deno.test("replaceFile() writes real files of every size and leaves no other files", () => {
  const directory = Deno.makeTempDirSync({ prefix: "barnabas-test-" });
  try {
    for (const bytes of [0, 1, 127, 128, 70_000]) {
      const content = new Uint8Array(bytes).fill(bytes & 0xff);
      replaceFile(linuxFileSystem, `${directory}/file`, content);
      assert.deepEqual(Deno.readFileSync(`${directory}/file`), content);
    }
    assert.deepEqual([...Deno.readDirSync(directory)].map((entry) => entry.name), ["file"]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("replaceFile() flushes the directory that the file is in", () => {
  for (const [file, directory] of [["/a/b/file", "/a/b"], ["/file", "/"], ["file", "."], ["a/file", "a"]] as const) {
    const { fileSystem } = new CrashingFileSystem(Math.random);
    const flushed: string[] = [];
    replaceFile({ ...fileSystem, syncDirectory: (name) => flushed.push(name) > 0 }, file, before);
    assert.deepEqual(flushed, [directory]);
  }
});
