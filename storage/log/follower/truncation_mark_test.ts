import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { toOffset } from "../../base/units.ts";
import { replaceFile } from "../../directory/atomic_file.ts";
import { readTruncationMark, TRUNCATION_FILE, writeTruncationMark } from "./truncation_mark.ts";

const DIRECTORY = "/logs/t-0";

Deno.test("readTruncationMark() reads what writeTruncationMark() wrote, also after a loss of power", () => {
  const disk = new CrashingFileSystem(() => 0.5);
  const { fileSystem } = disk;
  assert.equal(readTruncationMark(fileSystem, DIRECTORY), null);
  const mark = { endOffset: toOffset(150), highestRecoveryPoint: toOffset(2 ** 52) };
  writeTruncationMark(fileSystem, DIRECTORY, mark);
  disk.restart("none");
  assert.deepEqual(readTruncationMark(fileSystem, DIRECTORY), mark);
});

Deno.test("readTruncationMark() takes a damaged mark for one that makes a start check everything", () => {
  const { fileSystem } = new CrashingFileSystem(() => 0.5);
  const all = { endOffset: 0, highestRecoveryPoint: Number.MAX_SAFE_INTEGER };
  for (const text of ["", "0\n", "0\n1\n150\n", "0\n1\n150 -3\n", "0\n1\nx 200\n", "1\n1\n150 200\n", "0\n1\n150 20"]) {
    replaceFile(fileSystem, `${DIRECTORY}/${TRUNCATION_FILE}`, text);
    assert.deepEqual(readTruncationMark(fileSystem, DIRECTORY), all, JSON.stringify(text));
  }
});
