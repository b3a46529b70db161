/**
 * What a broker remembers of its etcd from one start to the next: an etcd that was restored from a backup, begun anew at the old address, or
 * is another one is refused at the next start, with a sentence.
 */
import assert from "node:assert/strict";
import { loadEtcdPosition } from "../../partitions/metadata/etcd/etcd_position_file.ts";
import { openEtcdStore } from "../../partitions/metadata/store/etcd_on_demand.ts";
import { MetadataStoreError } from "../../partitions/metadata/store/store.ts";
import { commit, setting } from "../../partitions/metadata/store/store_contract_testing.ts";
import { withDirectory } from "../temporary_directory.ts";
import { copyDirectory, Etcd } from "./etcd/members.ts";
import { testLimits } from "./etcd/opened_stores.ts";
import { interopTest } from "./toolchain.ts";

/** Takes the place of the only member's files while it is down. */
async function replaceFiles(etcd: Etcd, replace: () => Promise<void>, state: "new" | "existing"): Promise<void> {
  const [member] = etcd.members;
  await etcd.kill(member!);
  await replace();
  etcd.restart(member!, state);
  await etcd.leader();
}

interopTest({
  name: "the next start refuses an etcd that was restored from a backup, begun anew, or is another one",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      const logDirectories = [`${directory}/log0`, `${directory}/log1`];
      for (const path of [...logDirectories, `${directory}/other`]) await Deno.mkdir(path);
      await using etcd = await Etcd.start({ directory });
      const files = `${directory}/m0`;

      /** A run of the broker, which changes metadata and is stopped cleanly; a start is refused in `openEtcdStore()`. */
      const run = async (endpoints = etcd.urls) => {
        const options = { endpoints, prefix: "/test/", owner: "1", limits: testLimits };
        const { store, position } = await openEtcdStore(options, logDirectories);
        assert.deepEqual(await loadEtcdPosition(logDirectories), store.memory, "it is kept from the start");
        for (let number = 0; number < 5; number++) await commit(store, setting({ a: `${number}` }));
        for (const [index, path] of logDirectories.entries()) {
          await Deno.writeTextFile(`${path}/${position.name}`, position.content(index));
        }
        const { memory } = store; // closing the store is a change of etcd, too
        await store.close();
        return memory;
      };
      const refuses = async (sentence: RegExp, endpoints?: readonly string[]) => {
        const before = await loadEtcdPosition(logDirectories);
        await assert.rejects(run(endpoints as string[]), (error) => {
          assert.ok(error instanceof MetadataStoreError);
          assert.match(error.message, sentence);
          return true;
        });
        assert.deepEqual(await loadEtcdPosition(logDirectories), before, "a refused start forgets nothing");
      };

      await run();
      await replaceFiles(etcd, () => copyDirectory(files, `${directory}/backup`), "existing");
      const { revision } = await run();
      assert.equal((await loadEtcdPosition(logDirectories))?.revision, revision);

      const restore = async () => {
        await Deno.rename(files, `${directory}/current`);
        await copyDirectory(`${directory}/backup`, files);
      };
      await replaceFiles(etcd, restore, "existing");
      await refuses(
        new RegExp(`restored from a backup, or begun anew: .*seen ${revision}.*revision ${revision} or a later`),
      );

      await replaceFiles(etcd, () => Deno.remove(files, { recursive: true }), "new");
      await refuses(/restored from a backup, or begun anew|is another cluster/);

      await using other = await Etcd.start({ directory: `${directory}/other` });
      await refuses(/is another cluster .*than the one with this broker's metadata/, other.urls);

      const bringBack = async () => {
        await Deno.remove(files, { recursive: true });
        await Deno.rename(`${directory}/current`, files);
      };
      await replaceFiles(etcd, bringBack, "existing");
      assert.ok((await run()).revision > revision, "the etcd that it knows serves again");
    }),
});
