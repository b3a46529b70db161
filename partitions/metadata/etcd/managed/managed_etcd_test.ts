import assert from "node:assert/strict";
import { withDirectory } from "../../../../tests/temporary_directory.ts";
import { MetadataStoreError } from "../../store/store.ts";
import { memberFlags, portsIn } from "./etcd_command.ts";
import { lastError, putLogAside } from "./etcd_log.ts";
import { ManagedEtcd } from "./managed_etcd.ts";
import { readMember, writeMember } from "./member_file.ts";
import { choosePorts } from "./member_ports.ts";

const ANY = { clientPort: 0, peerPort: 0 };

/** Why a program in the place of etcd cannot be started. @param script of the shell, or null for no program at all */
async function refusal(directory: string, script: string | null, ports = ANY): Promise<string> {
  const command = `${directory}/etcd`;
  if (script !== null) {
    await Deno.writeTextFile(command, `#!/bin/sh\n${script}\n`);
    await Deno.chmod(command, 0o755);
  }
  const started = ManagedEtcd.start({ directory, ports, command, warn: assert.fail, limits: { startMs: 5000 } });
  const error = await started.then(() => assert.fail("it has started"), (error) => error);
  assert.ok(error instanceof MetadataStoreError, String(error));
  return error.message;
}

const VERSION = 'if [ "$1" = --version ]; then echo "etcd Version: 3.4.23"; exit; fi';

Deno.test("ManagedEtcd.start() says how to install etcd when it is not there, and refuses versions that the store refuses", () =>
  withDirectory(async (directory) => {
    assert.match(await refusal(directory, null), /^Cannot start etcd: there is no program .*apt install etcd-server/);
    assert.match(await refusal(directory, 'echo "etcd Version: 3.3.25"'), /etcd 3.3.25; Barnabas needs 3.4 or later/);
    assert.match(await refusal(directory, 'echo "etcd Version: 3.5.1"'), /upgrade it to 3.5.3/);
    assert.match(await refusal(directory, "echo hello"), /its version is "hello"; is it an etcd\?/);
    assert.match(await refusal(directory, "exit 1"), /its version is ""; is it an etcd\?/);
  }));

Deno.test("ManagedEtcd.start() says why etcd has ended, by its log", () =>
  withDirectory(async (directory) => {
    const line = JSON.stringify({ level: "fatal", msg: "discovery failed", error: "no space" });
    const sentence = await refusal(directory, `${VERSION}\necho '${line}'\necho 'goroutine 1' >&2\nexit 3`);
    assert.match(
      sentence,
      /^Cannot start etcd: it has ended \(exit code 3\); its log says: discovery failed: no space$/,
    );
  }));

Deno.test("ManagedEtcd.start() refuses a port that is in use, and names what may use it", () =>
  withDirectory(async (directory) => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr;
    const client = await refusal(directory, VERSION, { ...ANY, clientPort: port });
    assert.match(client, new RegExp(`port ${port} of 127.0.0.1 is in use.*--etcd http://127.0.0.1:${port}$`));
    const peer = await refusal(directory, VERSION, { ...ANY, peerPort: port });
    assert.match(peer, new RegExp(`port ${port} of 127.0.0.1 is in use$`));
  }));

Deno.test("choosePorts() takes the ports of the last start when any will do, unless they are in use", () => {
  const first = choosePorts(ANY, null);
  assert.notEqual(first.clientPort, first.peerPort);
  assert.deepEqual(choosePorts(ANY, first), first);
  using _taken = Deno.listen({ hostname: "127.0.0.1", port: first.clientPort });
  const next = choosePorts(ANY, first);
  assert.notEqual(next.clientPort, first.clientPort);
  assert.equal(next.peerPort, first.peerPort);
});

Deno.test("readMember() reads what writeMember() wrote, and refuses a damaged file with a sentence", () =>
  withDirectory(async (directory) => {
    assert.equal(await readMember(directory), null);
    const member = { clientPort: 2391, peerPort: 2392, clusterId: "14841639068965178418" };
    await writeMember(directory, member);
    assert.deepEqual(await readMember(directory), member);
    const text = await Deno.readTextFile(`${directory}/member.json`);
    for (
      const damaged of [
        text.slice(0, -5),
        "",
        "null",
        "1",
        text.replace("2391", "0"),
        text.replace('"version":0', '"version":1'),
      ]
    ) {
      await Deno.writeTextFile(`${directory}/member.json`, damaged);
      await assert.rejects(readMember(directory), /Cannot use .*member\.json: it is damaged/, damaged);
    }
  }));

Deno.test("a process's ports are those of its flags", () => {
  const ports = { clientPort: 2391, peerPort: 2392 };
  const flags = memberFlags("/data/barnabas-etcd/data", ports, "token");
  assert.ok(flags.includes("--data-dir=/data/barnabas-etcd/data"));
  assert.deepEqual(portsIn(["etcd", ...flags]), ports);
  assert.equal(portsIn(["etcd", "--data-dir=/data/barnabas-etcd/data"]), null);
});

Deno.test("lastError() finds the last error in a long log, and a log above its size is put aside", () =>
  withDirectory(async (directory) => {
    const path = `${directory}/etcd.log`;
    assert.equal(await lastError(path), "");
    await putLogAside(path, 10);
    await Deno.writeTextFile(path, "listening\n\n");
    assert.equal(await lastError(path), "listening");
    const filler = `${JSON.stringify({ level: "warn", msg: "slow" })}\n`.repeat(2000);
    const error = JSON.stringify({ level: "error", msg: "first" }) + "\n" +
      JSON.stringify({ level: "panic", msg: "second" });
    await Deno.writeTextFile(path, `${filler}${error}\nnull\ngoroutine 1 [running]:\n`);
    assert.equal(await lastError(path), "second");
    await putLogAside(path, 1_000_000);
    assert.equal(await lastError(path), "second");
    await putLogAside(path, 10);
    assert.equal(await lastError(path), "");
    assert.equal(await lastError(`${path}.old`), "second");
  }));
