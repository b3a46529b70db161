/** Tests of how much a scan of batch headers reads. */
import { strict as assert } from "node:assert";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { batchBytes } from "../records/record_batch.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import { HeaderWindow } from "./header_window.ts";

const WINDOW_BYTES = 8192;
const HEADER_READ_BYTES = 256;

/** Scans a file of batches with values of these sizes. @returns bytes asked for by each read, and the headers found */
async function scan(valueBytes: readonly number[]): Promise<{ reads: number[]; headers: number }> {
  const reads: number[] = [];
  let headers = 0;
  await withDirectory(async (directory) => {
    const path = `${directory}/${"0".repeat(20)}.log`;
    const batches = valueBytes.map((bytes, baseOffset) => buildBatch([{ value: "x".repeat(bytes) }], { baseOffset }));
    await Deno.writeFile(path, new Uint8Array(batches.flatMap((batch) => [...batch])));
    const window = new HeaderWindow({
      ...linuxFileSystem,
      pread: (fd, memory, at, length, position) => {
        reads.push(length);
        return linuxFileSystem.pread(fd, memory, at, length, position);
      },
    });
    const fd = linuxFileSystem.open(path, { write: false });
    const end = Deno.statSync(path).size;
    window.begin();
    for (let position = 0; position < end; headers++) {
      const at = window.locateBatch({ fd, baseOffset: 0 }, position, end);
      assert.ok(at >= 0, `a batch at ${position}`);
      position += batchBytes(window.view, at);
    }
    linuxFileSystem.close(fd);
  });
  return { reads, headers };
}

Deno.test("HeaderWindow reads many small batches at once", async () => {
  assert.deepEqual(await scan(Array(50).fill(50)), { reads: [WINDOW_BYTES], headers: 50 });
});

Deno.test("HeaderWindow reads the header alone behind a batch that is larger than the window, and a window again behind a small one", async () => {
  const large = Array(5).fill(20_000);
  const { reads, headers } = await scan([...large, 50, 50, 50]);
  assert.equal(headers, 8);
  assert.deepEqual(reads, [WINDOW_BYTES, ...Array(5).fill(HEADER_READ_BYTES), WINDOW_BYTES]);
});
