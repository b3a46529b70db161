/**
 * Memberships of several brokers in one process over one SQLite store, in real time.
 */
import { SqliteStore } from "../partitions/metadata/store/sqlite_store.ts";
import { liveCases, runCase } from "./cluster/live_cases.ts";
import { withDirectory } from "./temporary_directory.ts";

for (const live of liveCases) {
  Deno.test(`over one SQLite store, ${live.name}`, () =>
    withDirectory(async (directory) => {
      await using closing = new AsyncDisposableStack();
      const store = closing.adopt(new SqliteStore(), (store) => store.close());
      await store.open(`${directory}/metadata.sqlite`);
      await runCase(live, () => Promise.resolve(store));
    }));
}
