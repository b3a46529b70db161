/**
 * Appends through the whole log, validation and index included, by system call and by mapping: `deno bench -A
 * bench/append_bench.ts`. The rate is the bytes of an iteration divided by its time. The files go to BARNABAS_BENCH_DIR, or a temporary
 * directory; segments are deleted when they close, so that the disk's free blocks and the page cache are reused.
 *
 * On a two-core machine with other work, 16 KB take 12 µs at best and 16 µs on average by pwrite, 5 and 21 µs by mapping (the missing
 * system call saves what growing the file costs). Of this, validation takes 4 µs and the log itself 0.2. A read that continues where
 * another ended takes 0.2 to 2 µs, one at a random offset 3 to 8 µs.
 *
 * Measure with warm memory only (write and delete some GB of files first): the first write to a page that was never used costs ten times
 * as much.
 */
import { writeInt64 } from "../storage/base/int64.ts";
import { testConfig } from "../tests/log_fixture.ts";
import { buildBatch, inMemory } from "../tests/record_batch_builder.ts";
import { linuxFileSystem, Log, type LogConfig, systemClock, toOffset } from "../storage/mod.ts";

const config: LogConfig = { ...testConfig, segmentBytes: 256 * 1024 * 1024, maxMessageBytes: 8 * 1024 * 1024 };

const root = Deno.makeTempDirSync({ dir: Deno.env.get("BARNABAS_BENCH_DIR"), prefix: "barnabas-bench-" });
globalThis.addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));

function openLog(name: string, appendMode: LogConfig["appendMode"]): Log {
  return Log.open({
    fs: linuxFileSystem,
    clock: systemClock,
    directory: `${root}/${name}-0`,
    config: { ...config, appendMode },
    cleanShutdown: false,
    recoveryPoint: toOffset(0),
    logStartOffset: toOffset(0),
    producerIdExpirationMs: 24 * 3600 * 1000,
  });
}

const nowMs = Date.now();
const options = { leaderEpoch: 0, nowMs };
const everything = { maxBytes: 1024 * 1024, maxOffset: toOffset(2 ** 52), atLeastOne: true };

function dropClosedSegments(log: Log): 0 {
  for (let left = log.segments().length; left > 1; left--) {
    for (const path of log.deleteOldestSegment()) linuxFileSystem.remove(path);
  }
  return 0;
}

/** A batch of records of 100 bytes, of about `bytes` in all. */
function batchOf(bytes: number): Uint8Array {
  const count = Math.max(1, Math.round((bytes - 61) / 107));
  return buildBatch(Array.from({ length: count }, () => ({ value: new Uint8Array(100).fill(120), timestamp: nowMs })));
}

for (
  const [name, bytes] of [["1 KB", 1024], ["16 KB", 16 * 1024], ["100 KB", 100 * 1024], ["1 MB", 1000 * 1024]] as const
) {
  const { memory, start, length } = inMemory(batchOf(bytes));
  for (const appendMode of ["pwrite", "mapped"] as const) {
    const log = openLog(`append-${appendMode}-${bytes}`, appendMode);
    let unchecked = 0;
    Deno.bench(
      `append ${name} by ${appendMode}`,
      { group: `append ${name}`, baseline: appendMode === "pwrite" },
      () => {
        writeInt64(memory.view, start, 0);
        const result = log.appendAsLeader(memory, start, length, options);
        if (result.refusal !== null) throw new Error(result.message);
        if ((unchecked += length) > config.segmentBytes) unchecked = dropClosedSegments(log);
      },
    );
  }
}

const reading = openLog("read", "pwrite");
{
  const { memory, start, length } = inMemory(batchOf(16 * 1024));
  for (let i = 0; i < 4000; i++) {
    writeInt64(memory.view, start, 0);
    reading.appendAsLeader(memory, start, length, options);
  }
}
const end = reading.logEndOffset;
let sequential = toOffset(0);
let seed = 1;

Deno.bench("read 1 MB, one after the other", { group: "read" }, () => {
  const { slice } = reading.read(sequential < end ? sequential : toOffset(0), everything);
  reading.release(slice!.leaseId);
  sequential = slice!.nextOffset;
});

Deno.bench("read 1 MB at a random offset", { group: "read" }, () => {
  seed = (seed * 48_271) % 0x7fff_ffff;
  const { slice } = reading.read(toOffset(seed % end), everything);
  reading.release(slice!.leaseId);
});

Deno.bench("read the last batch, known from the read before", { group: "read" }, () => {
  const { slice } = reading.read(toOffset(end - 1), everything);
  reading.release(slice!.leaseId);
});
