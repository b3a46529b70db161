import assert from "node:assert/strict";
import type { StoreChange, Transaction } from "../../../partitions/metadata/store/store.ts";
import { WatchedImage } from "../../../partitions/metadata/store/watched_image_testing.ts";
import { assertHistory, expectedOf } from "./store_history.ts";

const set = (key: string, value: string): Transaction => ({ set: [{ key, value }] });
const committed = [
  { version: 2, transaction: set("log/a/0", "a 0") },
  { version: 3, transaction: { compare: [{ key: "counter", version: 0 }], ...set("counter", "1") } },
  { version: 5, transaction: { ...set("log/b/0", "b 0"), delete: ["log/a/0"] } },
];

/** A watcher that was told these calls. */
function told(calls: readonly { version: number; changes: readonly StoreChange[] }[]): WatchedImage {
  const image = new WatchedImage();
  for (const { version, changes } of calls) image.changed(changes, version);
  return image;
}

Deno.test("assertHistory() passes what was committed, and what a snapshot stands for", () => {
  const { calls, entries } = expectedOf({ committed });
  assertHistory({ committed }, told(calls), entries);
  const image = told(calls.slice(0, 1));
  image.reset({
    version: 4,
    entries: [{ key: "counter", value: "1", version: 3 }, { key: "log/a/0", value: "a 0", version: 2 }],
  });
  image.changed(calls[2]!.changes, 5);
  assertHistory({ committed }, image, entries);
});

Deno.test("assertHistory() catches a lost, a doubled and an invented change, in the store and at the watcher", () => {
  const { calls, entries } = expectedOf({ committed });
  const [first, second, third] = calls as [typeof calls[0], typeof calls[0], typeof calls[0]];
  const added: StoreChange = { key: "log/c/0", value: "c 0", version: 4 };
  const refused = (image: () => WatchedImage, stored = entries, history = { committed }) =>
    assert.throws(() => assertHistory(history, image(), stored), assert.AssertionError);
  refused(() => told([first, third]));
  refused(() => told([first, second, second, third]));
  refused(() => told([first, second, { version: 4, changes: [added] }, third]));
  refused(() =>
    told([first, second, { version: 4, changes: second.changes.map((change) => ({ ...change, version: 4 })) }, third])
  );
  refused(() => told(calls), entries.slice(1));
  refused(() => told(calls), [...entries, { key: "log/c/0", value: "c 0", version: 4 }]);
  refused(() => told(calls), entries.map((entry) => ({ ...entry, version: entry.version + 1 })));
  refused(() => told(calls), entries, { committed: committed.slice(1) });
});
