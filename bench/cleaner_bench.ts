/**
 * What a cleaning costs, and the hash of a key: `deno bench -A bench/cleaner_bench.ts`. The rate of a cleaning is 128 MB divided by its
 * time: the log has records of 1 KB, 16 a batch, and each key occurs ten times. The files go to BARNABAS_BENCH_DIR, or a temporary
 * directory. Nothing is swapped in, so each cleaning has the same work.
 *
 * On a two-core machine with much other work, by CPU time (which other work stretches, too): 700 MB of log a second, of which 55 %
 * belong to the worker's own code and 45 % to the kernel. By a profile, hashes of keys take 20 %, the offset map 18 %, copies out of the
 * page cache 30 %, checksums 6 %, and the walk over the records 4 %.
 *
 * Measure with warm memory only (write and delete some GB of files first): the first write to a page that was never used costs ten times
 * as much.
 */
import { createHash } from "node:crypto";
import { cleanLog } from "../storage/cleaner/log_cleaning.ts";
import { HASH_WORDS, hashKey, newHashSecret } from "../storage/base/key_hash.ts";
import { linuxFileSystem } from "../storage/mod.ts";
import { jobOf, writeSegment } from "../tests/cleaning_fixture.ts";
import { type BatchOptions, buildBatch } from "../tests/record_batch_builder.ts";
import { jsonText } from "./batch_texts.ts";

const LOG_BYTES = 128_000_000;
const SEGMENT_BYTES = 32_000_000;
const RECORD_BYTES = 1024;
const RECORDS_PER_BATCH = 16;
const OCCURRENCES = 10;
const RECORDS = Math.floor(LOG_BYTES / RECORD_BYTES / RECORDS_PER_BATCH) * RECORDS_PER_BATCH;
/** A prime, so that the occurrences of a key lie far apart. */
const KEY_STEP = 7919;

const root = Deno.makeTempDirSync({ dir: Deno.env.get("BARNABAS_BENCH_DIR"), prefix: "barnabas-bench-" });
globalThis.addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));

/** Writes the log. @returns the partition's directory */
function writeLog(codec: NonNullable<BatchOptions["codec"]>): string {
  const directory = `${root}/${codec}-0`;
  const text = jsonText(RECORDS_PER_BATCH * RECORD_BYTES);
  const values = Array.from(
    { length: RECORDS_PER_BATCH },
    (_, index) => text.subarray(index * RECORD_BYTES, (index + 1) * RECORD_BYTES - 24),
  );
  const keyOf = (offset: number) => `key-${String((offset * KEY_STEP) % (RECORDS / OCCURRENCES)).padStart(16, "0")}`;
  const perSegment = Math.floor(SEGMENT_BYTES / RECORD_BYTES / RECORDS_PER_BATCH);
  for (let offset = 0; offset < RECORDS;) {
    const [baseOffset, batches] = [offset, [] as Uint8Array[]];
    for (; batches.length < perSegment && offset < RECORDS; offset += RECORDS_PER_BATCH) {
      const records = values.map((value, index) => ({ key: keyOf(offset + index), value }));
      batches.push(buildBatch(records, { codec, baseOffset: offset, partitionLeaderEpoch: 0 }));
    }
    writeSegment(directory, baseOffset, batches);
  }
  writeSegment(directory, RECORDS, []);
  return directory;
}

function cleanOnce(directory: string): void {
  using cleaning = cleanLog(jobOf(directory, { segmentBytes: 1 << 30, dedupeBufferBytes: 128 << 20 }), {
    fs: linuxFileSystem,
  });
  while (cleaning.next());
}

for (const codec of ["none", "lz4", "zstd"] as const) {
  const directory = writeLog(codec);
  Deno.bench(
    `clean 128 MB of 1 KB records, ${codec}`,
    { group: "clean", n: 10, warmup: 3 },
    () => cleanOnce(directory),
  );
}

const bytes = crypto.getRandomValues(new Uint8Array(65_536));
const memory = { bytes, view: new DataView(bytes.buffer) };
const secret = newHashSecret();
const hash = new Int32Array(HASH_WORDS);
let at = 0;

for (const length of [8, 20, 100]) {
  Deno.bench(`hash ${length} bytes by SipHash-1-3`, { group: `hash ${length}`, baseline: true }, () => {
    at = (at + 37) & 0x7fff;
    hashKey(secret, memory, at, length, hash);
  });
  Deno.bench(`hash ${length} bytes by MD5 of node:crypto`, { group: `hash ${length}` }, () => {
    at = (at + 37) & 0x7fff;
    createHash("md5").update(bytes.subarray(at, at + length)).digest();
  });
}
