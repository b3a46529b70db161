import { strict as assert } from "node:assert";
import { closeDescriptor } from "../../storage/mod.ts";
import { SocketPair } from "../reactor/socket_testing.ts";
import { OutgoingDials } from "./outgoing_dials.ts";

/** A connection of this machine, both ends of which are the runtime's. */
async function connected(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return await Promise.all([Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }), listener.accept()]);
}

class Shards {
  readonly handedOut: { shard: number; id: number; fd: number }[] = [];
  readonly refused: [number, number][] = [];
  isOver = false;

  handOut(shard: number, connection: { id: number; fd: number }): boolean {
    if (!this.isOver) this.handedOut.push({ shard, ...connection });
    return !this.isOver;
  }

  refuse(shard: number, id: number): void {
    this.refused.push([shard, id]);
  }
}

Deno.test("OutgoingDials hands a socket out to the shard that has asked, and says why there is none", async () => {
  const shards = new Shards();
  const reports: string[] = [];
  const report = (text: string) => void reports.push(text);
  const [ours, theirs] = await connected();
  const found = [Promise.resolve(ours), Promise.reject<Deno.TcpConn>(new Error("it is gone"))];
  using dials = new OutgoingDials(() => found.shift() ?? assert.fail("two attempts"), { shards, report });
  await dials.connect(1, { id: 4, host: "h", port: 1 });
  await dials.connect(0, { id: 5, host: "h", port: 1 });
  assert.deepEqual(shards.refused, [[0, 5]]);
  assert.deepEqual(reports, ["Cannot follow another broker: it is gone"]);
  const [{ shard, id, fd } = { shard: -1, id: -1, fd: -1 }] = shards.handedOut;
  assert.deepEqual([shard, id], [1, 4]);
  closeDescriptor(fd);
  assert.equal(await theirs.read(new Uint8Array(1)), null);
  theirs.close();
});

Deno.test("OutgoingDials closes a socket that nobody wants any more, and ends its attempts", async () => {
  const shards = new Shards();
  shards.isOver = true;
  const [ours, theirs] = await connected();
  let signal: AbortSignal | null = null;
  const pending = Promise.withResolvers<Deno.TcpConn>();
  const found = [Promise.resolve(ours), pending.promise];
  const dials = new OutgoingDials((_endpoint, ended) => {
    signal = ended;
    return found.shift() ?? assert.fail("two attempts");
  }, { shards, report: () => assert.fail("nothing is reported") });
  await dials.connect(0, { id: 1, host: "h", port: 1 });
  assert.equal(await theirs.read(new Uint8Array(1)), null);
  theirs.close();
  const attempt = dials.connect(0, { id: 2, host: "h", port: 1 });
  dials[Symbol.dispose]();
  dials[Symbol.dispose]();
  assert.equal((signal as AbortSignal | null)?.aborted, true);
  const late = await SocketPair.open();
  pending.resolve(late.peer);
  await attempt;
  late.closeFd();
  assert.deepEqual([shards.handedOut, shards.refused], [[], []]);
});
