import assert from "node:assert/strict";
import { linuxFileSystem as fs } from "../../storage/mod.ts";
import { toOffset } from "../../storage/base/units.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { topicOn } from "../owned/partition_testing.ts";
import { MetadataImage } from "../metadata/image.ts";
import { emptyWatermarks, partitionState, WatermarkTable } from "../shared/watermarks.ts";
import { CLEANER_OFFSETS_FILE, CleanerOffsets } from "./cleaner_offsets.ts";

/** A name for each id; the topics have two partitions. */
function imageOf(ids: Readonly<Record<string, string>>): MetadataImage {
  const image = new MetadataImage();
  const changed = Object.entries(ids).map(([id, name]) => topicOn([0, 0], { id, name }));
  image.apply({ changed, deletedIds: [] });
  return image;
}

Deno.test("CleanerOffsets reads what it wrote, in Kafka's format, for the topics that exist", () =>
  withDirectory(async (logDirectory) => {
    const reports: string[] = [];
    const report = (text: string) => void reports.push(text);
    const image = imageOf({ "id-1": "t", "id-2": "u" });
    const offsets = new CleanerOffsets({ fs, directories: [{ path: logDirectory, isOnline: true }], image, report });
    assert.deepEqual([offsets.isStale, offsets.get("id-1", 0)], [false, undefined]);
    offsets.set("id-1", 1, 2 ** 40);
    offsets.set("id-2", 0, 7);
    await offsets.write();
    const path = `${logDirectory}/${CLEANER_OFFSETS_FILE}`;
    assert.equal(Deno.readTextFileSync(path), "0\n2\nt 1 1099511627776\nu 0 7\n");
    const again = new CleanerOffsets({ fs, directories: [{ path: logDirectory, isOnline: true }], image, report });
    assert.deepEqual([again.isStale, again.get("id-1", 1), again.get("id-2", 0)], [false, 2 ** 40, 7]);
    // Deleted, and created again with another id.
    image.apply({ changed: [topicOn([0, 0], { id: "id-3", name: "t" })], deletedIds: ["id-1"] });
    await again.write();
    assert.equal(Deno.readTextFileSync(path), "0\n1\nu 0 7\n");
    assert.equal(again.get("id-3", 1), undefined);
    assert.equal(
      new CleanerOffsets({
        fs,
        directories: [{ path: logDirectory, isOnline: true }],
        image: imageOf({ "id-9": "v" }),
        report,
      }).isStale,
      true,
    );
    assert.deepEqual(reports, []);
  }));

Deno.test("CleanerOffsets begins anew when the file is damaged, and says so; a refused write is reported", () =>
  withDirectory(async (logDirectory) => {
    const path = `${logDirectory}/${CLEANER_OFFSETS_FILE}`;
    Deno.writeTextFileSync(path, "0\n2\nt 0 5\n");
    const reports: string[] = [];
    const image = imageOf({ "id-1": "t" });
    const offsets = new CleanerOffsets({
      fs,
      directories: [{ path: logDirectory, isOnline: true }],
      image,
      report: (text) => void reports.push(text),
    });
    assert.deepEqual([offsets.isStale, offsets.get("id-1", 0)], [true, undefined]);
    assert.match(reports[0] ?? "", /cleaner-offset-checkpoint is written anew, .* it has 1 entries, but says 2/);
    Deno.mkdirSync(`${path}.tmp`);
    offsets.set("id-1", 0, 1);
    await offsets.write();
    assert.match(reports[1] ?? "", /^Cannot write checkpoint .*cleaner-offset-checkpoint: /);
    Deno.removeSync(`${path}.tmp`);
    await offsets.write();
    assert.equal(Deno.readTextFileSync(path), "0\n1\nt 0 1\n");
  }));

Deno.test("CleanerOffsets.lower() takes the offset of a log that was cut off below it; lowerToEnds() those of logs that were", () =>
  withDirectory(async (logDirectory) => {
    const image = imageOf({ "id-1": "t" });
    image.apply({ changed: [topicOn([0, 0, 0], { id: "id-2", name: "u", slots: [2, 3, 4] })], deletedIds: [] });
    const directories = [{ path: logDirectory, isOnline: true }];
    const offsets = new CleanerOffsets({ fs, directories, image, report: (text) => assert.fail(text) });
    assert.equal(offsets.lower(0, 5), false, "it was never compacted");
    offsets.set("id-1", 1, 100);
    for (const partition of [0, 1, 2]) offsets.set("id-2", partition, 50);
    assert.deepEqual([offsets.lower(1, 100), offsets.lower(1, 60), offsets.lower(9, 1)], [false, true, false]);
    assert.deepEqual([offsets.get("id-1", 0), offsets.get("id-1", 1)], [undefined, 60]);
    const table = new WatermarkTable(WatermarkTable.allocate());
    const { open, offline } = partitionState;
    for (const [slot, end, state] of [[1, 60, open], [2, 49, open], [3, 50, open], [4, 10, offline]] as const) {
      table.write(slot, { ...emptyWatermarks(), state, logEndOffset: toOffset(end) });
    }
    assert.deepEqual([offsets.lowerToEnds(table), offsets.lowerToEnds(table)], [true, false]);
    assert.deepEqual([0, 1, 2].map((partition) => offsets.get("id-2", partition)), [49, 50, 50]);
    await offsets.write();
    assert.equal(
      Deno.readTextFileSync(`${logDirectory}/${CLEANER_OFFSETS_FILE}`),
      "0\n4\nt 1 60\nu 0 49\nu 1 50\nu 2 50\n",
    );
  }));
