import { join } from "node:path";
import { withDirectory } from "../../../tests/temporary_directory.ts";
import { SqliteStore } from "./sqlite_store.ts";
import { contractCases } from "./store_contract_testing.ts";

for (const { name, run } of contractCases) {
  Deno.test(`SqliteStore: ${name}`, () =>
    withDirectory((directory) => {
      const open = async () => {
        const store = new SqliteStore();
        await store.open(join(directory, "barnabas-metadata.sqlite"));
        return store;
      };
      return run({ open, leaseMsMin: 5 });
    }));
}
