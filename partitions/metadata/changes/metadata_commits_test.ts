import assert from "node:assert/strict";
import { MemoryStore } from "../controller_testing.ts";
import { MetadataRefusedError, MetadataStoreError, type TransactionResult } from "../store/store.ts";
import { MetadataCommits } from "./metadata_commits.ts";

const UNKNOWN = { outcome: "unknown", id: "7" } as const;

/** Commits on a store that does not answer, and then says this. */
function commitsAfter(...results: readonly TransactionResult[]): { commits: MetadataCommits; asked: string[] } {
  const asked: string[] = [];
  const left = [...results];
  const store = Object.assign(new MemoryStore(), {
    transact: () => Promise.resolve(UNKNOWN),
    resolve: (id: string) => {
      asked.push(id);
      return Promise.resolve(left.shift() ?? UNKNOWN);
    },
  });
  return { commits: new MetadataCommits(store), asked };
}

Deno.test("commit() finds out how a change has ended that the store did not answer", async () => {
  const { commits, asked } = commitsAfter(UNKNOWN, { outcome: "committed", version: 5 });
  assert.equal(await commits.commit({}), 5);
  assert.deepEqual(asked, ["7", "7"]);
});

Deno.test("commit() refuses a change that was not made in time, and fails for one whose outcome stays unknown", async () => {
  const refused = commitsAfter({ outcome: "refused", conflicts: [] });
  await assert.rejects(refused.commits.commit({}), (error) => error instanceof MetadataRefusedError);
  const unknown = commitsAfter();
  await assert.rejects(unknown.commits.commit({}), (error) => {
    return error instanceof MetadataStoreError && !(error instanceof MetadataRefusedError);
  });
  assert.equal(unknown.asked.length, 3);
});
