/** The etcd of the other tests: its start. */
import assert from "node:assert/strict";
import { freePort } from "../../bench/peer/processes.ts";
import { withDirectory } from "../temporary_directory.ts";
import { call, Etcd } from "./etcd/members.ts";
import { interopTest } from "./toolchain.ts";

/** Ports of which the ones at these places are in use. */
function portsWith(taken: number, places: readonly number[]): () => number {
  let count = 0;
  return () => places.includes(count++) ? taken : freePort();
}

interopTest({
  name: "Etcd.start() takes other ports when one is in use, chosen twice, or in use at every start",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      using taken = Deno.listen({ hostname: "127.0.0.1", port: freePort() });
      const { port } = taken.addr;
      {
        await using etcd = await Etcd.start({ directory, members: 3, port: portsWith(port, [2, 3]) });
        assert.ok(!etcd.urls.includes(`http://127.0.0.1:${port}`));
        const { members } = await call<{ members: unknown[] }>(etcd.urls[0]!, "/v3/cluster/member/list", {});
        assert.equal(members.length, 3);
      }
      await Deno.mkdir(`${directory}/again`);
      const refused = Etcd.start({ directory: `${directory}/again`, port: portsWith(port, [0, 2, 4]) });
      await assert.rejects(refused, /Cannot start etcd:\nm0: .*address already in use/s);
    }),
});
