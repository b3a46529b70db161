/** Tests of the names of a partition's files. */
import { strict as assert } from "node:assert";
import { toOffset } from "../base/units.ts";
import { deletedDirectoryName, parsePartitionFileName, partitionFileName } from "./segment_names.ts";

Deno.test("partitionFileName() pads to 20 digits and parsePartitionFileName() parses the name", () => {
  assert.equal(partitionFileName(toOffset(42), ".timeindex"), "00000000000000000042.timeindex");
  assert.deepEqual(parsePartitionFileName("00000000000000000042.timeindex.swap"), {
    offset: 42,
    kind: ".timeindex",
    suffix: ".swap",
  });
});

Deno.test("parsePartitionFileName() returns null for other names", () => {
  const others = [
    "leader-epoch-checkpoint",
    "42.log",
    "00000000000000000042.log.tmp",
    "99999999999999999999.log",
    "x.index",
  ];
  for (const name of others) assert.equal(parsePartitionFileName(name), null, name);
});

Deno.test("deletedDirectoryName() ends with the id and -delete, and cuts long topics to 255 characters", () => {
  const id = "0123456789abcdef0123456789abcdef";
  assert.equal(deletedDirectoryName("my-topic-12", id), `my-topic-12.${id}-delete`);
  const long = deletedDirectoryName("t".repeat(249) + "-7", id);
  assert.equal(long.length, 255);
  assert.ok(long.endsWith(`t-7.${id}-delete`));
});
