/**
 * Directories that earlier versions left are opened by this one, with everything in them: after a clean stop, and after a kill.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../mod.ts";
import { withDirectory } from "./temporary_directory.ts";
import { appendToAll, readContents } from "./upgrade/contents.ts";
import { fixtureNames, unpack } from "./upgrade/fixture.ts";
import { damageIn } from "./verified.ts";

/** Offsets are kept for ever, because those of a fixture are old; so are producers. */
const overrides = { "offsets.retention.minutes": "2147483647", "offsets.topic.num.partitions": "2" };

for (const name of fixtureNames()) {
  Deno.test(`upgrade: a directory of ${name} is opened with all that was in it, written to, and opened again`, () =>
    withDirectory(async (dataDir) => {
      const before = unpack(name, dataDir);
      assert(
        Object.values(before.partitions).every(({ records }) => records.length > 0),
        "the fixture holds something",
      );
      assert.deepEqual(damageIn(dataDir), []);
      let added: Record<string, number>;
      {
        await using broker = await startBroker({ port: 0, shards: 2, dataDir, overrides });
        assert.deepEqual(await readContents(broker.port), before);
        added = await appendToAll(broker.port);
        const ends = Object.entries(before.partitions).map(([partition, { logEnd }]) => [partition, logEnd]);
        assert.deepEqual(added, Object.fromEntries(ends));
      }
      assert.deepEqual(damageIn(dataDir), []);
      await using broker = await startBroker({ port: 0, shards: 1, dataDir, overrides });
      const after = await readContents(broker.port);
      for (const [partition, { records, logStart }] of Object.entries(before.partitions)) {
        const found = after.partitions[partition];
        assert.deepEqual(found?.records, [...records, `${added[partition]} k new 3`], partition);
        assert.equal(found?.logStart, logStart);
      }
      assert.deepEqual([after.committed, after.configs], [before.committed, before.configs]);
    }));
}
