import assert from "node:assert/strict";
import { withDirectory } from "../../../tests/temporary_directory.ts";
import { MetadataStoreError } from "../store/store.ts";
import { ETCD_POSITION_FILE } from "../../directory/log_directory.ts";
import { encodeEtcdPosition, loadEtcdPosition, saveEtcdPosition } from "./etcd_position_file.ts";

/** A cluster id as etcd gives them out: above 2^53. */
const CLUSTER = "14841639068965178418";

/** Runs a test with log directories. */
function withDirectories(count: number, test: (paths: readonly string[]) => Promise<void>): Promise<void> {
  return withDirectory(async (root) => {
    const paths = Array.from({ length: count }, (_, index) => `${root}/${index}`);
    for (const path of paths) await Deno.mkdir(path);
    await test(paths);
  });
}

Deno.test("loadEtcdPosition() finds what saveEtcdPosition() wrote to every directory, and nothing before", () =>
  withDirectories(2, async (paths) => {
    assert.equal(await loadEtcdPosition(paths), null);
    await saveEtcdPosition(paths, { clusterId: CLUSTER, revision: 41 });
    const memory = { clusterId: CLUSTER, revision: Number.MAX_SAFE_INTEGER };
    await saveEtcdPosition(paths, memory);
    for (const path of paths) {
      assert.deepEqual(await loadEtcdPosition([path]), memory);
      assert.equal(
        await Deno.readTextFile(`${path}/${ETCD_POSITION_FILE}`),
        `version=0\ncluster=${CLUSTER}\nrevision=9007199254740991\n`,
      );
    }
  }));

Deno.test("loadEtcdPosition() takes the latest position when directories were away, are new or were left behind by a kill", () =>
  withDirectories(4, async (paths) => {
    const [first, second, third] = paths as [string, string, string];
    await saveEtcdPosition([second], { clusterId: CLUSTER, revision: 7 });
    await saveEtcdPosition([third], { clusterId: CLUSTER, revision: 9 });
    await saveEtcdPosition([first], { clusterId: CLUSTER, revision: 8 });
    assert.deepEqual(await loadEtcdPosition(paths), { clusterId: CLUSTER, revision: 9 });
  }));

Deno.test("loadEtcdPosition() refuses directories of different etcds with a sentence", () =>
  withDirectories(2, async ([first, second]) => {
    await saveEtcdPosition([first!], { clusterId: CLUSTER, revision: 8 });
    await saveEtcdPosition([second!], { clusterId: "17", revision: 3 });
    await assert.rejects(loadEtcdPosition([first!, second!]), (error) => {
      assert.ok(error instanceof MetadataStoreError);
      assert.ok(error.message.startsWith(`Log directories ${first} and ${second} belong to different etcds`));
      return true;
    });
  }));

Deno.test("loadEtcdPosition() refuses a damaged file, cut anywhere, with a sentence", () =>
  withDirectories(1, async ([path]) => {
    const whole = encodeEtcdPosition({ clusterId: CLUSTER, revision: 12 });
    const damaged = Array.from(whole, (_, length) => whole.slice(0, length));
    damaged.push(
      `${whole}\n`,
      whole.replace("=0", "=1"),
      whole.replace("12", "1.2"),
      whole.replace("12", "9".repeat(16)),
    );
    for (const text of damaged) {
      await Deno.writeTextFile(`${path}/${ETCD_POSITION_FILE}`, text);
      await assert.rejects(loadEtcdPosition([path!]), /Cannot use .*barnabas-etcd-position: it is damaged/, text);
    }
  }));

Deno.test("saveEtcdPosition() names the file that a disk refuses, and keeps the old one", () =>
  withDirectories(1, async ([path]) => {
    await saveEtcdPosition([path!], { clusterId: CLUSTER, revision: 1 });
    await Deno.mkdir(`${path}/${ETCD_POSITION_FILE}.tmp`);
    const refused = saveEtcdPosition([path!], { clusterId: CLUSTER, revision: 2 });
    await assert.rejects(
      refused,
      (error) => error instanceof MetadataStoreError && /Cannot write .*position/.test(error.message),
    );
    assert.deepEqual(await loadEtcdPosition([path!]), { clusterId: CLUSTER, revision: 1 });
  }));
