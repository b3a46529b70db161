import { strict as assert } from "node:assert";
import type { LogConfig } from "../../storage/log/log_config.ts";
import { recordsOf } from "../../tests/log_fixture.ts";
import { buildBatch, inMemory } from "../../tests/record_batch_builder.ts";
import type { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import type { Partition } from "../owned/partition.ts";
import { flushOn, smallLogs, type TestShard, TestShards, topicOn } from "../owned/partition_testing.ts";
import type { RetentionSettings } from "./retention_events.ts";

const INITIAL_MS = 30_000;
const CHECK_MS = 300_000;
const SETTINGS: RetentionSettings = { initialDelayMs: INITIAL_MS, checkMs: CHECK_MS, isAnnounced: false };
const HOUR_MS = 3_600_000;

/** The clock of a test world starts here. */
const NOW = 1_700_000_000_000;
const config: LogConfig = { ...smallLogs, segmentBytes: 200, retentionMs: HOUR_MS };

/** A shard with one partition; `ages[n]` is the age in ms of the single record of segment n. */
class Scene implements Disposable {
  readonly world: TestShards;
  readonly shard: TestShard;

  constructor(changes: Partial<LogConfig> = {}, settings = SETTINGS, files: readonly CrashingFileSystem[] = []) {
    this.world = new TestShards(1, files, { retention: settings });
    this.shard = this.world.at(0);
    this.configure(changes);
  }

  get partition(): Partition {
    const [partition] = this.shard.partitions.owned.all;
    assert.ok(partition !== undefined);
    return partition;
  }

  get bases(): number[] {
    return this.partition.log.retained(this.partition.highWatermark).segments.map(({ baseOffset }) => baseOffset);
  }

  get lines(): string[] {
    return this.shard.retained.flatMap((event) => event.kind === "removed" ? [event.text] : []);
  }

  configure(changes: Partial<LogConfig>): void {
    this.world.apply(topicOn([0], { config: { ...config, ...changes } }));
  }

  append(ages: readonly number[]): this {
    for (const age of ages) {
      const batch = inMemory(buildBatch(recordsOf(1, 120, this.world.clock.wallMs() - age)), 64);
      const result = this.partition.append(batch, this.world.clock.wallMs());
      assert.equal(result.refusal, null, result.message);
    }
    this.flush();
    return this;
  }

  /** Executes the flushes that were begun, and those that follow them. */
  flush(): void {
    const { flushes, files } = this.shard;
    for (let flush = flushes.shift(); flush !== undefined; flush = flushes.shift()) {
      flush.done(flushOn(files, flush.request));
    }
  }

  /** Runs turns, and what other threads do, until nothing is due. */
  turns(mayContinue = () => true): number {
    const { shard, world } = this;
    let count = 0;
    do {
      shard.partitions.maintain(world.clock.monotonicMs(), mayContinue);
      this.flush();
      for (const { done } of shard.loads.splice(0)) done();
      assert.ok(++count < 10_000, "the pass ends");
    } while (shard.partitions.nextDeadlineMs <= world.clock.monotonicMs());
    return count;
  }

  /** Waits until a time after the start has passed. */
  advance(ms: number): void {
    this.world.clock.advance(ms);
    this.turns();
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

Deno.test("Retention removes what is too old at its first check, and again at every interval", () => {
  using scene = new Scene();
  scene.append([3, 2, 0.9, 0.5].map((hours) => hours * HOUR_MS));
  assert.equal(scene.shard.partitions.nextDeadlineMs, INITIAL_MS);
  scene.advance(INITIAL_MS - 1);
  assert.deepEqual(scene.bases, [0, 1, 2, 3]);
  scene.advance(1);
  assert.deepEqual([scene.bases, scene.partition.log.logStartOffset], [[2, 3], 2]);
  assert.deepEqual(scene.lines, [
    "t-0: retention removes 2 segments below offset 2, because their records are older than retention.ms=3600000",
  ]);
  const row = scene.world.table.read(0, { ...scene.partition.replica.row });
  assert.equal(row.logStartOffset, 2, "published");
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [2, 3], "not old enough yet");
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [3]);
  assert.equal(scene.lines.length, 2);
});

Deno.test("when everything is too old, the log rolls first: one empty segment is left, and the log start is the log end", () => {
  using scene = new Scene();
  scene.append([3, 2, 2].map((hours) => hours * HOUR_MS));
  scene.advance(INITIAL_MS);
  const { log } = scene.partition;
  assert.deepEqual([scene.bases, log.logStartOffset, log.logEndOffset, log.logFilesBytes], [[3], 3, 3, 0]);
  scene.append([2 * HOUR_MS]);
  assert.deepEqual([scene.bases, log.logEndOffset], [[3], 4]);
  scene.advance(CHECK_MS);
  scene.advance(CHECK_MS);
  assert.equal(scene.lines.length, 2, "the old record appended meanwhile went too, and an empty segment is left alone");
});

Deno.test("Retention by size, with both rules, and a changed rule at the next check", () => {
  using scene = new Scene({ retentionMs: -1 });
  scene.append([5, 4, 3, 2, 1].map((hours) => hours * HOUR_MS));
  scene.advance(INITIAL_MS);
  assert.deepEqual(scene.bases, [0, 1, 2, 3, 4], "without rules all stays");
  const segmentBytes = scene.partition.log.segments()[0]?.logFileBytes ?? 0;
  scene.configure({ retentionMs: -1, retentionBytes: 4 * segmentBytes });
  scene.advance(CHECK_MS - 1);
  assert.equal(scene.bases.length, 5, "not before the check");
  scene.advance(1);
  assert.deepEqual(scene.bases, [1, 2, 3, 4]);
  scene.configure({ retentionMs: 2.5 * HOUR_MS, retentionBytes: 3 * segmentBytes });
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [3, 4]);
  assert.match(
    scene.lines.at(-1) ?? "",
    /2 segments below offset 3, because the log is larger than retention\.bytes=\d+ or /,
  );
});

Deno.test("topics without cleanup.policy=delete keep all, and compact,delete removes", () => {
  for (const [compact, deletes, left] of [[true, false, 3], [false, false, 3], [true, true, 1]] as const) {
    using scene = new Scene({ retentionBytes: 0 });
    scene.append([3, 2, 1].map((hours) => hours * HOUR_MS));
    scene.configure({ compact, delete: deletes, retentionBytes: 0 });
    scene.advance(INITIAL_MS);
    assert.equal(scene.bases.length, left);
  }
});

Deno.test("nothing above the high watermark goes", () => {
  using scene = new Scene({ flushMessages: 1 });
  scene.append([]);
  for (let count = 0; count < 3; count++) {
    const batch = inMemory(buildBatch(recordsOf(1, 120, NOW - 3 * HOUR_MS)), 64);
    assert.equal(scene.partition.append(batch, NOW).refusal, null);
  }
  assert.deepEqual([scene.partition.highWatermark, scene.bases], [0, [0, 1, 2]]);
  scene.world.clock.advance(INITIAL_MS);
  scene.shard.partitions.maintain(INITIAL_MS);
  assert.deepEqual([scene.bases, scene.lines], [[0, 1, 2], []]);
});

Deno.test("segments go only when what follows them is durable", () => {
  using scene = new Scene();
  for (let count = 0; count < 3; count++) {
    const batch = inMemory(buildBatch(recordsOf(1, 120, NOW - 3 * HOUR_MS)), 64);
    assert.equal(scene.partition.append(batch, NOW).refusal, null);
  }
  scene.world.clock.advance(INITIAL_MS);
  for (let turn = 0; turn < 3; turn++) scene.shard.partitions.maintain(INITIAL_MS);
  assert.deepEqual([scene.partition.log.logStartOffset, scene.bases], [3, [0, 1, 2, 3]]);
  assert.ok(scene.shard.partitions.nextDeadlineMs > INITIAL_MS, "the shard sleeps until the flush has ended");
  scene.flush();
  scene.turns();
  assert.deepEqual(scene.bases, [3]);
});

Deno.test("a record in the future keeps its segment and later ones, is reported once, and goes by size", () => {
  using scene = new Scene();
  scene.append([3 * HOUR_MS, -10 * HOUR_MS, 3 * HOUR_MS, 0]);
  scene.advance(INITIAL_MS);
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [1, 2, 3]);
  const reports = scene.shard.reports.filter((text) => text.includes("future"));
  assert.equal(reports.length, 1);
  assert.match(reports[0] ?? "", /^t-0: Segment 1 has a record of 2023-11-15T08:13:20\.000Z, in the future: /);
  scene.configure({ retentionBytes: 1 });
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [3]);
});

Deno.test("after the clock jumped forward, one check removes nothing for its age; after it went back, nothing is too old", () => {
  using scene = new Scene();
  scene.append([0, 0, 0]);
  const { clock } = scene.world;
  const wallMs = clock.wallMs.bind(clock);
  let jumpMs = 10 * HOUR_MS;
  clock.wallMs = () => wallMs() + jumpMs;
  scene.advance(INITIAL_MS);
  assert.deepEqual(scene.bases, [0, 1, 2]);
  assert.match(`${scene.shard.reports}`, /The clock went forward by 36000 s: retention removes nothing .* in 300 s/);
  jumpMs = -10 * HOUR_MS;
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [0, 1, 2]);
  jumpMs = 0;
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [0, 1, 2], "the way back is a jump, too");
  jumpMs = 2 * HOUR_MS;
  scene.advance(CHECK_MS);
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [3], "a clock that stays where it jumped to is believed");
});

/** Files with a closed log of segments with one record each. */
function closedLog(ages: readonly number[]): readonly CrashingFileSystem[] {
  using scene = new Scene({ retentionMs: -1 });
  scene.append(ages);
  assert.ok(scene.partition.close({ clean: true }));
  return [scene.shard.files];
}

Deno.test("after a start, timestamps are learned of the oldest segments only, up to the first that stays", () => {
  const files = closedLog([9, 8, 7, 0.5, 0.4, 0.3, 0.2].map((hours) => hours * HOUR_MS));
  using scene = new Scene({}, SETTINGS, files);
  scene.world.clock.advance(INITIAL_MS);
  const loaded: string[] = [];
  const { loads } = scene.shard;
  do {
    scene.shard.partitions.maintain(scene.world.clock.monotonicMs());
    scene.flush();
    for (const { files, done } of loads.splice(0)) loaded.push(...files), done();
  } while (scene.shard.partitions.nextDeadlineMs <= scene.world.clock.monotonicMs());
  assert.deepEqual(scene.bases, [3, 4, 5, 6]);
  assert.ok(loaded.length < 14, "not all segments were looked at");
});
