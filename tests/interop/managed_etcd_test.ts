/**
 * The etcd that a broker runs itself: started, started again when it dies, taken over from a broker that was killed, stopped with the broker.
 */
import assert from "node:assert/strict";
import { ManagedEtcd, type ManagedEtcdOptions } from "../../partitions/metadata/etcd/managed/managed_etcd.ts";
import { MANAGED_DIRECTORY } from "../../partitions/metadata/etcd/managed/member_file.ts";
import { LogDirectory } from "../../partitions/directory/log_directory.ts";
import { commit, setting } from "../../partitions/metadata/store/store_contract_testing.ts";
import { verifyDirectory } from "../../storage/inspection/verified_directory.ts";
import { linuxFileSystem } from "../../storage/control.ts";
import { RunningProcess, waitFor } from "../../bench/peer/processes.ts";
import { withDirectory } from "../temporary_directory.ts";
import { OpenedStores } from "./etcd/opened_stores.ts";
import { interopTest } from "./toolchain.ts";

const limits = { pauseMs: 1, watchMs: 20 };

/** Starts an etcd on free ports, which a later start with the directory keeps. */
function start(
  directory: string,
  options: Partial<ManagedEtcdOptions> & { warnings?: string[] } = {},
): Promise<ManagedEtcd> {
  const { warnings = [], ...others } = options;
  const ports = { clientPort: 0, peerPort: 0 };
  return ManagedEtcd.start({ directory, ports, limits, warn: (sentence) => warnings.push(sentence), ...others });
}

/** Sets a key in an etcd, once it answers. @returns all keys that are there then */
async function use(endpoint: string, key: string): Promise<string[]> {
  await using stores = new OpenedStores();
  const store = await waitFor("the store opens", () => stores.open("a", { endpoints: [endpoint] }));
  await commit(store, setting({ [key]: "1" }));
  return (await store.range("")).map(({ key }) => key);
}

function isRunning(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`) !== "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

interopTest({
  name:
    "a managed etcd serves, whatever the environment says, ends with its owner, and has everything at the next start",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      Deno.env.set("ETCD_LISTEN_CLIENT_URLS", "http://127.0.0.1:1");
      try {
        const warnings: string[] = [];
        const first = await start(directory, { warnings });
        assert.deepEqual(await use(first.endpoint, "a"), ["a"]);
        await first.close();
        await first.close();
        assert.equal(await first.ended, null);
        assert.ok(!isRunning(first.pid));
        const second = await start(directory, { warnings });
        assert.equal(second.endpoint, first.endpoint, "it keeps its ports");
        assert.deepEqual(await use(second.endpoint, "b"), ["a", "b"]);
        await second.close();
        assert.deepEqual(warnings, []);
      } finally {
        Deno.env.delete("ETCD_LISTEN_CLIENT_URLS");
      }
    }),
});

interopTest({
  name: "no log directory and no verification takes the files of a managed etcd for a partition's",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      const etcd = await start(directory);
      await use(etcd.endpoint, "a");
      await etcd.close();
      {
        await using opened = await LogDirectory.open({ path: directory, nodeId: 1, clusterId: null });
        assert.deepEqual([opened.found, opened.futures], [[], []]);
      }
      const reports = [...verifyDirectory(linuxFileSystem, directory)];
      assert.deepEqual(reports, [{ kind: "size", partitions: 0, bytes: 0 }]);
      assert.ok((await Deno.stat(`${directory}/${MANAGED_DIRECTORY}/data`)).isDirectory);
    }),
});

interopTest({
  name: "a managed etcd that dies is started again, each time with a warning, and given up when it does not stay up",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      // Stands for etcd, until it is told to fail.
      const command = `${directory}/etcd`;
      await Deno.writeTextFile(command, `#!/bin/sh\nif [ -e ${directory}/broken ]; then exit 7; fi\nexec etcd "$@"\n`);
      await Deno.chmod(command, 0o755);
      const warnings: string[] = [];
      const etcd = await start(directory, { command, warnings, limits: { ...limits, startsMax: 3 } });
      await use(etcd.endpoint, "a");
      const { pid } = etcd;
      Deno.kill(pid, "SIGKILL");
      assert.deepEqual(await use(etcd.endpoint, "b"), ["a", "b"]);
      assert.notEqual(etcd.pid, pid);
      assert.match(warnings.join("\n"), /^etcd at http\S+ has ended \(SIGKILL.*\)\. It is started again in 1 ms$/);
      await Deno.writeTextFile(`${directory}/broken`, "");
      Deno.kill(etcd.pid, "SIGKILL");
      const reason = await etcd.ended;
      assert.match(
        String(reason),
        /Cannot start etcd: it has ended \(exit code 7\).*\. It was started 3 times in a row$/,
      );
      assert.equal(warnings.length, 3);
      await etcd.close();
    }),
});

interopTest({
  name:
    "a managed etcd outlives the kill of its owner; the next start takes it over, and stops it, or starts it again when it dies",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      const killOwner = async () => {
        const program = new URL("etcd/managed_owner.ts", import.meta.url).pathname;
        const outputFile = `${directory}/owner.txt`;
        await Deno.writeTextFile(outputFile, "");
        await using owner = new RunningProcess(Deno.execPath(), ["run", "-A", program, directory], { outputFile });
        const [, pid, endpoint] = await waitFor("the owner has an etcd", () =>
          /^(\d+) (http.*)$/m.exec(owner.outputTail()) ?? undefined);
        await owner.kill();
        return { pid: Number(pid), endpoint };
      };
      const left = await killOwner();
      assert.ok(isRunning(left.pid));
      const etcd = await start(directory);
      assert.deepEqual([etcd.pid, etcd.endpoint], [left.pid, left.endpoint]);
      await use(etcd.endpoint, "a");
      await etcd.close();
      assert.ok(!isRunning(left.pid), "an etcd that was taken over is stopped like another");

      const again = await killOwner();
      const warnings: string[] = [];
      const other = await start(directory, { warnings });
      assert.equal(other.pid, again.pid);
      Deno.kill(again.pid, "SIGKILL");
      assert.deepEqual(await use(other.endpoint, "b"), ["a", "b"]);
      assert.equal(warnings.length, 1);
      await other.close();

      const frozen = await killOwner();
      Deno.kill(frozen.pid, "SIGSTOP");
      const quick = { ...limits, startMs: 1000, stopMs: 200 };
      // A busy machine may need more than this time for a start.
      const third = await waitFor("it starts", () =>
        start(directory, { warnings, limits: quick }));
      assert.ok(!isRunning(frozen.pid));
      assert.match(warnings[1] ?? "", /that an earlier broker has left is started anew: .*does not answer/);
      assert.deepEqual(await use(third.endpoint, "c"), ["a", "b", "c"]);
      await third.close();
    }),
});

interopTest({
  name: "a managed etcd on other ports than before, or whose files were exchanged",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      const first = await start(directory);
      await use(first.endpoint, "a");
      await first.close();
      const fixed = await start(directory, { ports: portsBeside(first.endpoint) });
      assert.notEqual(fixed.endpoint, first.endpoint);
      assert.deepEqual(await use(fixed.endpoint, "b"), ["a", "b"]);
      await fixed.close();
      await Deno.remove(`${directory}/${MANAGED_DIRECTORY}/data`, { recursive: true });
      await assert.rejects(
        start(directory),
        /of another cluster .id \d+. than those before .*or remove .*barnabas-etcd/,
      );
    }),
});

/** Free ports, of which none is in this endpoint. */
function portsBeside(endpoint: string): { clientPort: number; peerPort: number } {
  using client = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using peer = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  assert.ok(!endpoint.endsWith(`:${client.addr.port}`));
  return { clientPort: client.addr.port, peerPort: peer.addr.port };
}
