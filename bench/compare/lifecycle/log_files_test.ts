import assert from "node:assert/strict";
import { withDirectory } from "../../../tests/temporary_directory.ts";
import { cleanedTo, partitionFiles } from "./log_files.ts";

Deno.test("cleanedTo() finds a partition in a cleaner-offset-checkpoint", () => {
  const text = "0\n3\na 0 17\na 10 4\naa 0 99\n";
  assert.equal(cleanedTo(text, "a", 0), 17);
  assert.equal(cleanedTo(text, "a", 10), 4);
  assert.equal(cleanedTo(text, "a", 1), -1);
  assert.equal(cleanedTo("", "a", 0), -1);
  assert.equal(cleanedTo("1\n1\na 0 17\n", "a", 0), -1);
});

Deno.test("partitionFiles() counts segments, without those that are being written or removed", () =>
  withDirectory(async (directory) => {
    for (const [base, ending] of [[0, "log"], [0, "index"], [40, "log"], [50, "log.deleted"], [60, "log.cleaned"]]) {
      await Deno.writeFile(`${directory}/${String(base).padStart(20, "0")}.${ending}`, new Uint8Array(10));
    }
    assert.deepEqual(await partitionFiles(directory), { activeOffset: 40, segments: 2, logBytes: 20 });
  }));
