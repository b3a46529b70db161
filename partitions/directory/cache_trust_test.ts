import assert from "node:assert/strict";
import { BOOT_MARK_FILE, linuxFileSystem, readBootMark } from "../../storage/control.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { bootIdentity, CacheTrust, type CacheTrustParts } from "./cache_trust.ts";
import { LogDirectory } from "./log_directory.ts";

const IDENTITY = { bootId: "11111111-2222-3333-4444-555555555555", directory: "64:7" };

/** The trust of one start. */
function start(disk: CrashingFileSystem, changes: Partial<CacheTrustParts> = {}): CacheTrust {
  return new CacheTrust({
    fs: disk.fileSystem,
    path: "/logs",
    identity: IDENTITY,
    wasCleanShutdown: false,
    report: (sentence) => assert.fail(sentence),
    ...changes,
  });
}

function newDisk(): CrashingFileSystem {
  const disk = new CrashingFileSystem(() => 0.5);
  disk.fileSystem.makeDirectory("/logs");
  return disk;
}

/** A broker starts, serves, and is killed. */
function killedBroker(disk: CrashingFileSystem, changes: Partial<CacheTrustParts> = {}, isIntact = true): void {
  const cache = start(disk, changes);
  cache.forget();
  if (!isIntact) cache.doubt();
  cache.keep();
  disk.restart("all");
}

Deno.test("a start believes the page cache after a kill in the same boot, as often as it happens", () => {
  const disk = newDisk();
  assert.equal(start(disk).isIntact, false, "the first start");
  for (let kills = 0; kills < 3; kills++) {
    killedBroker(disk);
    assert.equal(start(disk).isIntact, true);
  }
});

Deno.test("a start does not believe the page cache of another boot, of a copied directory, or where it never may", () => {
  const disk = newDisk();
  killedBroker(disk);
  assert.equal(start(disk, { identity: { ...IDENTITY, bootId: "another" } }).isIntact, false);
  assert.equal(start(disk, { identity: { ...IDENTITY, directory: "64:8" } }).isIntact, false);
  assert.equal(start(disk, { identity: null }).isIntact, false);
  assert.equal(start(disk, { wasCleanShutdown: true }).isIntact, false, "the clean stop says more");
});

Deno.test("a start that is broken off before all logs are open leaves nothing to believe", () => {
  const disk = newDisk();
  killedBroker(disk);
  start(disk).forget();
  disk.restart("all");
  assert.equal(start(disk).isIntact, false);
});

Deno.test("after a recovery that cut something off, the page cache is not believed until another boot or a clean stop", () => {
  const disk = newDisk();
  killedBroker(disk, {}, false);
  for (let kills = 0; kills < 2; kills++) {
    assert.equal(start(disk).isIntact, false);
    killedBroker(disk);
  }
  const nextBoot = { identity: { ...IDENTITY, bootId: "66666666-7777-8888-9999-000000000000" } };
  killedBroker(disk, nextBoot);
  assert.equal(start(disk, nextBoot).isIntact, true);
  killedBroker(disk, nextBoot, false);
  killedBroker(disk, { ...nextBoot, wasCleanShutdown: true });
  assert.equal(start(disk, nextBoot).isIntact, true);
});

Deno.test("a torn, empty or strange mark is not believed", () => {
  const disk = newDisk();
  killedBroker(disk);
  const path = `/logs/${BOOT_MARK_FILE}`;
  const bytes = disk.fileSystem.readFile(path) as Uint8Array;
  for (let length = 0; length < bytes.length; length++) {
    for (const filler of [new Uint8Array(), new Uint8Array(bytes.length - length)]) {
      const torn = new Uint8Array([...bytes.subarray(0, length), ...filler]);
      const fs = { ...disk.fileSystem, readFile: () => torn };
      assert.equal(readBootMark(fs, "/logs"), null, `${length} bytes`);
      assert.equal(start(disk, { fs }).isIntact, false);
    }
  }
});

Deno.test("CacheTrust reports a mark that the disk refuses to change", () => {
  const disk = newDisk();
  const reports: string[] = [];
  const refuse = () => {
    throw new Deno.errors.PermissionDenied("no");
  };
  const fs = { ...disk.fileSystem, remove: refuse, rename: refuse };
  const cache = start(disk, { fs, report: (sentence) => reports.push(sentence) });
  cache.forget();
  cache.keep();
  assert.match(reports[0] as string, /^Cannot remove \/logs\/barnabas-boot: no; remove it before the next start$/);
  assert.match(reports[1] as string, /^Cannot write \/logs\/barnabas-boot: no; a start after a crash checks more$/);
});

Deno.test("bootIdentity() names the boot of the machine and the directory; there is none on a volume that is not local", () =>
  withDirectory(async (path) => {
    const { dev, ino } = Deno.statSync(path);
    const bootId = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
    assert.deepEqual(await bootIdentity(path), { bootId, directory: `${dev}:${ino}` });
    assert.equal(await bootIdentity("/proc"), null);
    assert.equal(await bootIdentity(`${path}/missing`), null);
  }));

Deno.test("LogDirectory believes the page cache only if it is asked to", () =>
  withDirectory(async (path) => {
    const open = (trustsPageCache: boolean) => LogDirectory.open({ path, nodeId: 1, clusterId: null, trustsPageCache });
    {
      await using directory = await open(true);
      directory.cache.keep();
    }
    assert.notEqual(readBootMark(linuxFileSystem, path), null);
    for (const trusts of [false, true]) {
      await using directory = await open(trusts);
      assert.equal(directory.cache.isIntact, trusts);
    }
  }));
