import { strict as assert } from "node:assert";
import { replaceFile } from "../../storage/directory/atomic_file.ts";
import type { LogConfig } from "../../storage/log/log_config.ts";
import { SystemError } from "../../storage/sys/libc.ts";
import { recordsOf } from "../../tests/log_fixture.ts";
import { buildBatch, inMemory } from "../../tests/record_batch_builder.ts";
import type { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import type { Partition } from "../owned/partition.ts";
import { flushOn, LOG_DIRECTORY, smallLogs, type TestShard, TestShards, topicOn } from "../owned/partition_testing.ts";
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
  /** Files that were brought into the page cache. */
  readonly loaded: string[] = [];

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
      for (const { files, done } of shard.loads.splice(0)) this.loaded.push(...files), done();
      assert.ok(++count < 10_000, "the pass ends");
    } while (shard.loads.length > 0 || shard.partitions.nextDeadlineMs <= world.clock.monotonicMs());
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

Deno.test("a pass removes any number of segments, a thousand a decision", () => {
  using scene = new Scene();
  scene.append(Array(2500).fill(2 * HOUR_MS)).append([1]);
  scene.advance(INITIAL_MS);
  assert.deepEqual(scene.bases, [2500]);
  assert.match(`${scene.lines}`, /removes 1000 .*,t-0.* removes 1000 .*,t-0.* removes 500 /);
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

/** Files with a closed log of segments with one record each; a start recovers only the last one, and the others do not know their ages. */
function closedLog(ages: readonly number[]): readonly CrashingFileSystem[] {
  using scene = new Scene({ retentionMs: -1 });
  scene.append(ages);
  const { files } = scene.shard;
  assert.ok(scene.partition.close({ clean: true }));
  replaceFile(files.fileSystem, `${LOG_DIRECTORY}/recovery-point-offset-checkpoint`, `0\n1\nt 0 ${ages.length}\n`);
  return [files];
}

/** Names of the segments whose files were loaded, by `load`. */
function loadedSegments(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.replace(/^.*\/0*(\d+)\..*$/, "$1")))];
}

Deno.test("after a start, timestamps are learned of the oldest segments only, up to the first that stays", () => {
  const files = closedLog([9, 8, 7, 0.5, 0.4, 0.3, 0.2, 0.1, 0].map((hours) => hours * HOUR_MS));
  using scene = new Scene({}, SETTINGS, files);
  scene.world.clock.advance(INITIAL_MS);
  scene.turns();
  assert.deepEqual(scene.bases, [3, 4, 5, 6, 7, 8]);
  const known = scene.partition.log.retained(scene.partition.highWatermark).segments.map((segment) =>
    segment.knownRetentionTimestamp === null ? "?" : "known"
  );
  assert.deepEqual(known.slice(-4), ["known", "known", "?", "known"], "one, two, then four are looked at");
  assert.deepEqual(loadedSegments(scene.loaded), ["0", "1", "2", "3", "4", "5", "6"]);
  const before = scene.loaded.length;
  scene.advance(CHECK_MS);
  assert.equal(scene.loaded.length, before, "the next look opens none");
});

Deno.test("a segment whose files the disk refuses keeps its log for this time", () => {
  const files = closedLog([3, 2, 0].map((hours) => hours * HOUR_MS));
  using scene = new Scene({}, SETTINGS, files);
  const { fileSystem } = scene.shard.files;
  const { open } = fileSystem;
  fileSystem.open = (path, mode) => {
    if (/0000\.(index|log)$/.test(path)) throw new SystemError(`open ${path}`);
    return open(path, mode);
  };
  scene.advance(INITIAL_MS);
  assert.deepEqual([scene.bases, scene.lines], [[0, 1, 2], []]);
  assert.match(`${scene.shard.reports}`, /t-0: Cannot read how old segments are: /);
  fileSystem.open = open;
  scene.advance(CHECK_MS);
  assert.deepEqual(scene.bases, [2]);
});

Deno.test("a partition that is removed while its files are loaded ends nothing", () => {
  const files = closedLog([3, 2, 1].map((hours) => hours * HOUR_MS));
  using scene = new Scene({}, SETTINGS, files);
  scene.world.clock.advance(INITIAL_MS);
  scene.shard.partitions.maintain(INITIAL_MS);
  assert.equal(scene.shard.loads.length, 1);
  assert.ok(scene.shard.partitions.nextDeadlineMs > INITIAL_MS, "the shard sleeps while another thread reads");
  scene.world.remove(topicOn([0], { config }));
  scene.turns();
  assert.deepEqual(scene.lines, []);
});

Deno.test("a refused rename is tried again at the next check; the log start has moved before", () => {
  using scene = new Scene();
  scene.append([3, 2, 0].map((hours) => hours * HOUR_MS));
  const { fileSystem } = scene.shard.files;
  const { rename } = fileSystem;
  const starts: number[] = [];
  fileSystem.rename = () => {
    starts.push(scene.partition.replica.row.logStartOffset);
    throw new Deno.errors.PermissionDenied("no");
  };
  scene.advance(INITIAL_MS);
  assert.deepEqual([scene.bases, scene.partition.log.logStartOffset, starts], [[0, 1, 2], 2, [2]]);
  assert.match(`${scene.shard.reports}`, /t-0: Cannot remove segments: .*no/);
  for (let turn = 0; turn < 5; turn++) scene.turns();
  assert.equal(starts.length, 1, "not in every turn");
  fileSystem.rename = rename;
  scene.advance(CHECK_MS);
  assert.deepEqual([scene.bases, scene.lines.length], [[2], 1]);
});

Deno.test("on a full disk closed segments go, also when the active one cannot be rolled", () => {
  using scene = new Scene();
  scene.append([3, 2, 2].map((hours) => hours * HOUR_MS));
  const { files } = scene.shard;
  files.capacityBytes = 0;
  scene.advance(INITIAL_MS);
  assert.deepEqual([scene.bases, scene.partition.log.logStartOffset], [[2], 2]);
  assert.match(`${scene.lines}`, /removes 2 segments below offset 2/);
  assert.match(`${scene.shard.reports}`, /t-0: Retention keeps the active segment: the disk has no room for a new one/);
  files.capacityBytes = Infinity;
  scene.advance(CHECK_MS);
  assert.deepEqual([scene.bases, scene.partition.log.logEndOffset], [[3], 3]);
});

Deno.test("a turn ends when its time is over, and one pass looks at all partitions", () => {
  using world = new TestShards(1, [], { retention: SETTINGS });
  world.apply(topicOn(Array(50).fill(0), { config }));
  const shard = world.at(0);
  for (const partition of shard.partitions.owned.all) {
    for (const age of [3, 2, 0]) {
      partition.append(inMemory(buildBatch(recordsOf(1, 120, NOW - age * HOUR_MS)), 64), NOW);
    }
  }
  for (let flush = shard.flushes.shift(); flush !== undefined; flush = shard.flushes.shift()) {
    flush.done(flushOn(shard.files, flush.request));
  }
  world.clock.advance(INITIAL_MS);
  const perTurn: number[] = [];
  let before = 0;
  do {
    shard.partitions.maintain(world.clock.monotonicMs(), () => false);
    perTurn.push(shard.retained.length - before);
    before = shard.retained.length;
  } while (shard.partitions.nextDeadlineMs <= world.clock.monotonicMs());
  assert.equal(shard.retained.length, 50);
  assert.ok(Math.max(...perTurn) === 1, "a turn without time does one step");
});

const ANNOUNCED: RetentionSettings = { ...SETTINGS, isAnnounced: true };

Deno.test("an announced retention forecasts at once, and removes nothing before one whole interval", () => {
  const files = closedLog([9, 8, 0.5, 0].map((hours) => hours * HOUR_MS));
  using scene = new Scene({}, ANNOUNCED, files);
  assert.equal(scene.shard.partitions.nextDeadlineMs, 0);
  scene.turns();
  const segmentBytes = scene.partition.log.segments()[0]?.logFileBytes ?? 0;
  const rules = { retentionMs: HOUR_MS, retentionBytes: -1, bySize: false, byTime: true };
  const topic = {
    topic: "t",
    partitions: 1,
    segments: 2,
    bytes: 2 * segmentBytes,
    ...rules,
    nextMs: NOW + HOUR_MS / 2,
  };
  assert.deepEqual(scene.shard.retained, [{ kind: "forecast", topics: [topic] }]);
  scene.advance(CHECK_MS - 1);
  assert.deepEqual(scene.bases, [0, 1, 2, 3]);
  scene.advance(1);
  assert.deepEqual(scene.bases, [2, 3]);
  assert.deepEqual(scene.shard.retained.map(({ kind }) => kind), ["forecast", "began", "removed"]);
  scene.advance(CHECK_MS);
  assert.equal(scene.shard.retained.filter(({ kind }) => kind === "began").length, 1);
});

Deno.test("a forecast leaves out topics without a rule or without records, and says when the next segment is too old", () => {
  using world = new TestShards(1, [], { retention: ANNOUNCED });
  const topic = (name: string, slot: number, changes: Partial<LogConfig>) =>
    world.apply(
      topicOn([0], { name, id: `${name}`.padEnd(22, "A"), slots: [slot], config: { ...config, ...changes } }),
    );
  topic("aged", 0, {});
  topic("sized", 1, { retentionMs: -1, retentionBytes: 0 });
  topic("unlimited", 2, { retentionMs: -1 });
  topic("compacted", 3, { delete: false, compact: true });
  topic("empty", 4, {});
  const shard = world.at(0);
  for (const partition of shard.partitions.owned.all) {
    const key = "k";
    if (partition.slot === 4) continue;
    const batch = inMemory(buildBatch([{ key, value: "v", timestamp: NOW - 1000 }]), 64);
    assert.equal(partition.append(batch, NOW).refusal, null);
  }
  shard.partitions.maintain(0);
  const [event] = shard.retained;
  assert.ok(event?.kind === "forecast");
  assert.deepEqual(event.topics.map(({ topic, segments, bySize, nextMs }) => [topic, segments, bySize, nextMs]), [
    ["aged", 0, false, NOW - 1000 + HOUR_MS],
    ["sized", 1, true, Infinity],
  ]);
  assert.deepEqual([...shard.partitions.owned.all].map(({ log }) => log.logStartOffset), [0, 0, 0, 0, 0]);
});
