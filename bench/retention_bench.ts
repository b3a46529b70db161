/**
 * Retention of a log of 10,000 segments, turn by turn: `deno bench -A bench/retention_bench.ts`. An iteration of the last two is one turn
 * of a shard in which nothing else happens; the largest time is what clients wait for at most.
 */
import { OwnedPartitions } from "../partitions/owned/owned_partitions.ts";
import { smallLogs, topicOn } from "../partitions/owned/partition_testing.ts";
import { LogStore, WatermarkTable } from "../partitions/mod.ts";
import type { RetentionSettings } from "../partitions/retention/retention_events.ts";
import { decideRetention, linuxFileSystem, systemClock } from "../storage/mod.ts";
import { buildBatch, inMemory } from "../tests/record_batch_builder.ts";

const SEGMENTS = 10_000;
const HOUR_MS = 3_600_000;
/** Turns that are measured: fewer than a removal of all segments takes. */
const TURNS = 250;

const root = Deno.makeTempDirSync({ dir: Deno.env.get("BARNABAS_BENCH_DIR"), prefix: "barnabas-bench-" });
globalThis.addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));
const never: RetentionSettings = { initialDelayMs: Infinity, checkMs: Infinity, isAnnounced: false };
const atOnce: RetentionSettings = { initialDelayMs: 0, checkMs: Infinity, isAnnounced: false };

/** A shard with the log; its files are flushed by no one, which is not measured. */
class World {
  readonly owned: OwnedPartitions;
  readonly #loads: (() => void)[] = [];

  constructor({ retention, cleanShutdown, retentionMs }: {
    retention: RetentionSettings;
    cleanShutdown: boolean;
    retentionMs: number;
  }) {
    const store = new LogStore({
      fs: linuxFileSystem,
      clock: systemClock,
      directories: [{ path: root, isOnline: true, cleanShutdown }],
      producerIdExpirationMs: 86_400_000,
      report: () => {},
    });
    this.owned = new OwnedPartitions({
      shard: 0,
      nodeId: 1,
      clock: systemClock,
      store,
      table: new WatermarkTable(WatermarkTable.allocate()),
      flushCheckMs: Infinity,
      report: () => {},
      flush: (_request, done) => done("flushed"),
      flushAll: [(requests, done) => done(requests.map(() => "flushed" as const))],
      codecs: { transcode: () => {}, release: () => {} },
      flushDirectory: (_directory, done) => done("flushed"),
      onCleaningNotice: () => {},
      onCacheDoubtful: () => {},
      unlink: () => {},
      load: (_files, done) => void this.#loads.push(done),
      retention,
      onRetention: () => {},
      onProgress: () => {},
    });
    const config = { ...smallLogs, segmentBytes: 200, retentionMs };
    this.owned.change({ changed: [topicOn([0], { config })], deleted: [] }, () => {});
    this.owned.finishChanges();
  }

  get partition() {
    const [partition] = this.owned.all;
    if (partition === undefined) throw new Error("the log cannot be opened");
    return partition;
  }

  turn(): void {
    this.owned.maintain(systemClock.monotonicMs(), () => true);
  }

  load(): void {
    for (const done of this.#loads.splice(0)) done();
  }
}

const bytes = buildBatch([{ value: "x".repeat(100), timestamp: Date.now() - HOUR_MS }]);
const filled = new World({ retention: never, cleanShutdown: false, retentionMs: -1 });
for (let count = 0; count < SEGMENTS; count++) filled.partition.append(inMemory(bytes, 64), Date.now());

Deno.bench(`a look at ${SEGMENTS} segments, of which none goes`, () => {
  const { log, highWatermark } = filled.partition;
  decideRetention(log.retained(highWatermark), { retentionMs: 1e15, retentionBytes: 1e15 }, Date.now());
});

let emptied: World | null = null;

Deno.bench("a turn that reads how old segments are", { n: TURNS, warmup: 0 }, (bench) => {
  if (emptied === null) {
    filled.partition.close({ clean: true });
    emptied = new World({ retention: atOnce, cleanShutdown: true, retentionMs: 1 });
  }
  emptied.load();
  bench.start();
  emptied.turn();
  bench.end();
});

Deno.bench("a turn that removes segments", { n: TURNS, warmup: 0 }, (bench) => {
  const { partition } = emptied as World;
  while (partition.log.segmentsBelowStart === 0) {
    emptied?.load();
    emptied?.turn();
  }
  bench.start();
  emptied?.turn();
  bench.end();
});
