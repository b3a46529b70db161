import { strict as assert } from "node:assert";
import { statfsSync } from "node:fs";
import { keepsWritesOfKilled, volumeSpace, volumeType } from "./volume.ts";

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

Deno.test("volumeType() tells what the runtime's statfs does", () => {
  for (const path of [".", "/proc", "/dev/shm", "/"]) assert.equal(volumeType(path), statfsSync(path).type, path);
  assert.equal(volumeType("/no/such/directory"), null);
});

Deno.test("keepsWritesOfKilled() believes local file systems only, none that a server or another process holds, and no unknown one", () => {
  // The numbers are those of statfs(2) and linux/magic.h.
  const local = { ext4: 0xef53, XFS: 0x58465342, Btrfs: 0x9123683e, tmpfs: 0x01021994, overlayfs: 0x794c7630 };
  for (const [name, type] of Object.entries(local)) assert.equal(keepsWritesOfKilled(type), true, name);
  const foreign = {
    NFS: 0x6969,
    SMB: 0x517b,
    CIFS: 0xff534d42,
    SMB2: 0xfe534d42,
    FUSE: 0x65735546,
    "9p": 0x01021997,
    Ceph: 0x00c36400,
    AFS: 0x5346414f,
    Lustre: 0x0bd00bd0,
    "a type of tomorrow": 0x12345678,
  };
  for (const [name, type] of Object.entries(foreign)) assert.equal(keepsWritesOfKilled(type), false, name);
  assert.equal(keepsWritesOfKilled(null), false, "statfs was refused");
});
