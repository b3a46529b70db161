import { strict as assert } from "node:assert";
import { statfsSync } from "node:fs";
import { volumeSpace } from "./volume.ts";

/** The same by the runtime, whose counts are of blocks. */
function spaceByRuntime(path: string) {
  const { bsize, blocks, bavail } = statfsSync(path);
  return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
}

Deno.test("volumeSpace() tells what the runtime's statfs does, of the volume that the path lies on", () => {
  const ATTEMPTS_MAX = 1000;
  for (const path of [".", "/proc"]) {
    // Others write meanwhile: what did not change while it was asked is compared.
    const isEqual = () => {
      const before = spaceByRuntime(path);
      const space = volumeSpace(path);
      if (before.usableBytes !== spaceByRuntime(path).usableBytes) return false;
      assert.deepEqual(space, before, path);
      return true;
    };
    assert.ok(Array.from({ length: ATTEMPTS_MAX }).some(isEqual), path);
  }
  assert.deepEqual(volumeSpace("/proc"), { totalBytes: 0, usableBytes: 0 });
});

Deno.test("volumeSpace() is null where the system refuses", () => {
  assert.equal(volumeSpace("/no/such/directory"), null);
  assert.equal(volumeSpace(""), null);
});
