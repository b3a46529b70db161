import { strict as assert } from "node:assert";
import { join } from "node:path";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { ReplicaCopy } from "./replica_copy.ts";

const name = (offset: number, kind: string) => `${String(offset).padStart(20, "0")}${kind}`;

/** Writes the files of a log: names with their contents. */
function write(directory: string, files: Record<string, string>): void {
  for (const [file, content] of Object.entries(files)) Deno.writeTextFileSync(join(directory, file), content);
}

function read(directory: string): Record<string, string> {
  const names = [...Deno.readDirSync(directory)].map((entry) => entry.name).toSorted();
  return Object.fromEntries(names.map((file) => [file, Deno.readTextFileSync(join(directory, file))]));
}

function withCopy(test: (from: string, to: string, copy: ReplicaCopy) => Promise<void>): Promise<void> {
  return withDirectory(async (root) => {
    const [from, to] = [join(root, "t-0"), join(root, "t-0-future")];
    Deno.mkdirSync(from);
    await test(from, to, new ReplicaCopy(from, to));
  });
}

Deno.test("ReplicaCopy copies closed segments first, the rest when the log is closed, and ends equal to it", () =>
  withCopy(async (from, to, copy) => {
    write(from, {
      [name(0, ".log")]: "zero",
      [name(0, ".index")]: "i0",
      [name(5, ".log")]: "five",
      [name(5, ".index")]: "i5",
    });
    assert.deepEqual(await copy.copyClosed(), { remaining: 4, endOffset: 5 });
    assert.deepEqual(read(to), { [name(0, ".log")]: "zero", [name(0, ".index")]: "i0" });
    assert.equal(copy.bytes, 4);
    write(from, { [name(5, ".log")]: "five and more", [name(9, ".log")]: "nine", "leader-epoch-checkpoint": "e" });
    assert.deepEqual(await copy.copyClosed(), { remaining: 4, endOffset: 9 });
    write(from, { [name(9, ".log")]: "nine!", [name(9, ".snapshot")]: "s" });
    await copy.finish();
    assert.deepEqual(read(to), read(from));
  }));

Deno.test("ReplicaCopy follows segments that compaction replaced and retention removed, and leaves out what a start removes", () =>
  withCopy(async (from, to, copy) => {
    write(from, { [name(0, ".log")]: "aaaa", [name(3, ".log")]: "bbbb", [name(6, ".log")]: "cccc" });
    await copy.copyClosed();
    // Compacted: another file of the same size.
    write(from, { [name(3, ".log.cleaned")]: "BBBB" });
    Deno.renameSync(join(from, name(3, ".log.cleaned")), join(from, name(3, ".log")));
    Deno.renameSync(join(from, name(0, ".log")), join(from, name(0, ".log.deleted")));
    write(from, { [name(6, ".log.swap")]: "x", "leader-epoch-checkpoint.tmp": "x" });
    assert.deepEqual(await copy.copyClosed(), { remaining: 4, endOffset: 6 });
    await copy.finish();
    assert.deepEqual(read(to), { [name(3, ".log")]: "BBBB", [name(6, ".log")]: "cccc" });
    const times = [from, to].map((directory) => Deno.statSync(join(directory, name(3, ".log"))).mtime?.getTime());
    assert.equal(times[0], times[1], "retention goes by it");
  }));

Deno.test("ReplicaCopy says at once that its disk refuses, and removes what it made", () =>
  withCopy(async (from, to, copy) => {
    write(from, { [name(0, ".log")]: "zero" });
    Deno.writeTextFileSync(to, "a file");
    await assert.rejects(copy.copyClosed(), Deno.errors.AlreadyExists);
    await copy.remove();
    assert.equal(Deno.readTextFileSync(to), "a file");
    Deno.removeSync(to);
    await copy.copyClosed();
    await copy.remove();
    await assert.rejects(Deno.stat(to), Deno.errors.NotFound);
  }));

Deno.test("ReplicaCopy copies nothing more once it may not continue, and passes over a file that retention removes before its turn", () =>
  withCopy(async (from, to, copy) => {
    write(from, { [name(0, ".log")]: "aaaa", [name(3, ".log")]: "bbbb", [name(6, ".log")]: "cccc" });
    await copy.copyClosed(() => false);
    assert.deepEqual(read(to), {});
    let asked = 0;
    await copy.copyClosed(() => {
      if (++asked === 2) Deno.renameSync(join(from, name(3, ".log")), join(from, name(3, ".log.deleted")));
      return true;
    });
    assert.deepEqual(read(to), { [name(0, ".log")]: "aaaa" });
  }));
