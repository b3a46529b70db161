import assert from "node:assert/strict";
import type { CleanerLimits, CleaningOrder, RunningCleaning, SegmentReplacement } from "../../storage/control.ts";
import { linuxFileSystem, toOffset } from "../../storage/mod.ts";
import { elsewhere, smallLogs, topicOn } from "../owned/partition_testing.ts";
import type { Timers } from "../directory/checkpoint_writer.ts";
import { MetadataImage } from "../metadata/image.ts";
import { CleanerOffsets } from "./cleaner_offsets.ts";
import type { CleaningAnswer, CleaningRequest } from "./cleaning_calls.ts";
import { LogCleaner } from "./log_cleaner.ts";

type Outcome = Awaited<RunningCleaning["outcome"]>;

const compact = { ...smallLogs, compact: true };
const config = {
  logCleanerEnable: true,
  logCleanerThreads: 1,
  logCleanerBackoffMs: 15_000,
  logCleanerDedupeBufferSize: 1000,
  logCleanerIoBufferLoadFactor: 0.9,
  logCleanerIoMaxBytesPerSecond: Infinity,
};

const statistics = {
  ...{
    mapBytesRead: 9,
    bytesRead: 3_140_000,
    bytesWritten: 270_000,
    recordsRead: 8,
    recordsKept: 5,
    keylessRecords: 0,
  },
  ...{ keysCount: 5, mapUtilization: 0.1 },
};

function cleaned(nextDirtyOffset: number, replacements: SegmentReplacement[] = []): Outcome {
  return {
    kind: "cleaned",
    result: { replacements, nextDirtyOffset: toOffset(nextDirtyOffset), statistics },
  } as unknown as Outcome;
}

/** A cleaner over two shards with partitions of one topic each, whose answers the test gives. */
class Fixture implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "barnabas-cleaner-" });
  readonly image = new MetadataImage();
  readonly asked: [shard: number, request: CleaningRequest][] = [];
  readonly reports: string[] = [];
  readonly told: string[] = [];
  readonly cleanings: { order: CleaningOrder; end: (outcome: Outcome) => void; isAborted: boolean }[] = [];
  /** Dirty ratios by slot; a cleaned log has none. */
  readonly dirty = new Map<number, number>();
  /** How each cleaning ends, by slot; null: the test ends it. */
  outcomeOf: (slot: number) => Outcome | null = () => cleaned(10);
  swapAnswer: CleaningAnswer = { kind: "swapped" };
  tick: () => void = () => {};
  /** How often it looks, in ms; null: never. */
  everyMs: number | null = null;
  /** What the cleaner reads; changes are told by `configure()`. */
  readonly settings: typeof config;
  /** The limits of each cleaning. */
  readonly limits: CleanerLimits[] = [];
  readonly offsets: CleanerOffsets;
  readonly cleaner: LogCleaner;

  constructor(changes: Partial<typeof config> = {}) {
    this.settings = { ...config, ...changes };
    this.image.apply({
      changed: [
        topicOn([0, 1, 0], { name: "a", id: "a-id", config: compact }),
        topicOn([0, 1], { name: "b", id: "b-id", slots: [10, 11], config: smallLogs }),
      ],
      deletedIds: [],
    });
    const { image, directory: logDirectory } = this;
    const report = (text: string) => void this.reports.push(text);
    this.offsets = new CleanerOffsets({
      fs: linuxFileSystem,
      directories: [{ path: logDirectory, isOnline: true }],
      image,
      report,
    });
    const timers: Timers = {
      every: (ms, callback) => {
        this.tick = callback;
        this.everyMs = ms;
        return () => {
          this.tick = () => {};
          this.everyMs = null;
        };
      },
    };
    this.cleaner = new LogCleaner({
      image,
      offsets: this.offsets,
      config: this.settings,
      ask: (shard, request) => {
        this.asked.push([shard, request]);
        return Promise.resolve(this.#answer(request));
      },
      clean: (order, limits) => {
        this.limits.push(limits);
        return this.#clean(order);
      },
      report,
      inform: (text) => void this.told.push(text),
      timers,
    });
  }

  /** The requests of a kind, with their slots. */
  slotsOf(kind: "begin" | "swap" | "end"): number[] {
    return this.asked.flatMap(([, request]) => request.kind === kind && "slot" in request ? [request.slot] : []);
  }

  get file(): string {
    return Deno.readTextFileSync(`${this.directory}/cleaner-offset-checkpoint`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }

  #answer(request: CleaningRequest): CleaningAnswer {
    switch (request.kind) {
      case "choose": {
        const [best] = [...request.slots].filter((slot) => this.dirty.has(slot))
          .sort((a, b) => this.dirty.get(b)! - this.dirty.get(a)!);
        if (best === undefined) return { kind: "nothing" };
        return { kind: "chosen", slot: best, dirtyRatio: this.dirty.get(best)! };
      }
      case "begin":
        return { kind: "begun", order: { directory: String(request.slot) } as CleaningOrder };
      case "swap":
        this.dirty.delete(request.slot);
        return this.swapAnswer;
      case "end":
        return { kind: "nothing" };
    }
  }

  #clean(order: CleaningOrder): RunningCleaning {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const cleaning = { order, end: resolve, isAborted: false };
    this.cleanings.push(cleaning);
    const outcome = this.outcomeOf(Number(order.directory));
    if (outcome !== null) resolve(outcome);
    return { outcome: promise, abort: () => void (cleaning.isAborted = true) };
  }
}

Deno.test("LogCleaner compacts the filthiest logs first, all that are due, and writes down how far", async () => {
  using fixture = new Fixture();
  for (const [slot, ratio] of [[0, 0.6], [1, 0.9], [2, 0.7], [10, 1]] as const) fixture.dirty.set(slot, ratio);
  await fixture.cleaner.look();
  assert.deepEqual(fixture.slotsOf("begin"), [1, 2, 0], "the topic of slot 10 is not compacted");
  assert.deepEqual(fixture.slotsOf("swap"), [1, 2, 0]);
  assert.equal(fixture.file, "0\n3\na 0 10\na 1 10\na 2 10\n");
  assert.deepEqual(fixture.reports, []);
  const said = "Compacted a-1 below offset 10: 3.1 MB read, 0.3 MB written, 5 of 8 records kept";
  assert.deepEqual([fixture.told.length, fixture.told[0]], [3, said]);
  const [, request] = fixture.asked.at(-1)!;
  assert.ok(request.kind === "choose");
  assert.deepEqual([...request.checkpointed], [10], "shards hear where the last cleaning ended");
});

Deno.test("LogCleaner compacts as many logs at a time as log.cleaner.threads, one of a shard, and shares the buffer", async () => {
  using fixture = new Fixture({ logCleanerThreads: 2 });
  fixture.outcomeOf = () => null;
  for (const slot of [0, 1, 2]) fixture.dirty.set(slot, 0.9);
  const looked = fixture.cleaner.look();
  while (fixture.cleanings.length < 2) await Promise.resolve();
  assert.deepEqual(fixture.slotsOf("begin"), [0, 1]);
  const [, request] = fixture.asked.find(([, { kind }]) => kind === "begin")!;
  assert.ok(request.kind === "begin" && request.dedupeBufferBytes === 500);
  fixture.outcomeOf = () => cleaned(10);
  for (const { end } of fixture.cleanings) end(cleaned(10));
  await looked;
  assert.deepEqual(fixture.slotsOf("swap").toSorted(), [0, 1, 2]);
});

Deno.test("LogCleaner leaves a log alone whose cleaning failed, with one line, and tries one again that the disk refused", async () => {
  using fixture = new Fixture();
  for (const slot of [0, 1, 2]) fixture.dirty.set(slot, 0.9);
  fixture.outcomeOf = (slot) =>
    slot === 0
      ? { kind: "failed", message: "a batch is too large" }
      : slot === 1
      ? { kind: "refused", message: "no room" }
      : null;
  const looked = fixture.cleaner.look();
  while (fixture.cleanings.length < 3) await Promise.resolve();
  fixture.cleanings[2]!.end(cleaned(7));
  await looked;
  assert.deepEqual(fixture.slotsOf("end").toSorted(), [0, 1]);
  assert.deepEqual(fixture.reports.toSorted(), [
    "Cannot compact a-0: a batch is too large. It is not compacted until the next start",
    "Cannot compact a-1: no room. It is tried again",
  ]);
  assert.equal(fixture.cleaner.failedCount, 1);
  await fixture.cleaner.look();
  assert.equal(fixture.reports.length, 2, "a disk that refuses in every round is reported once");
  fixture.outcomeOf = () => cleaned(8);
  await fixture.cleaner.look();
  assert.equal(fixture.file, "0\n2\na 1 8\na 2 7\n");
  assert.equal(fixture.reports.length, 2);
});

Deno.test("LogCleaner tells the shard of damaged batches, which takes the partition offline and reports it", async () => {
  using fixture = new Fixture();
  for (const slot of [0, 2]) fixture.dirty.set(slot, 0.9);
  fixture.outcomeOf = (slot) => slot === 0 ? { kind: "damaged", message: "a torn batch" } : cleaned(7);
  await fixture.cleaner.look();
  const ends = fixture.asked.flatMap(([, request]) => request.kind === "end" ? [request] : []);
  assert.deepEqual(ends, [{ kind: "end", slot: 0, damage: "a torn batch" }]);
  assert.deepEqual([fixture.reports, fixture.cleaner.failedCount], [[], 0]);
  assert.equal(fixture.file, "0\n1\na 2 7\n", "others are compacted");
});

Deno.test("LogCleaner leaves a log alone whose new segments cannot be put in place, and forgets one that went away", async () => {
  using fixture = new Fixture();
  fixture.dirty.set(0, 0.9);
  fixture.swapAnswer = { kind: "nothing" };
  await fixture.cleaner.look();
  fixture.dirty.set(0, 0.9);
  fixture.swapAnswer = { kind: "failed", message: "a flush failed" };
  await fixture.cleaner.look();
  assert.equal(fixture.offsets.get("a-id", 0), undefined);
  assert.deepEqual(fixture.reports, ["Cannot compact a-0: a flush failed. It is not compacted until the next start"]);
});

Deno.test("LogCleaner aborts what a shard does not want any more, and everything at the stop", async () => {
  using fixture = new Fixture();
  fixture.outcomeOf = () => null;
  fixture.dirty.set(0, 0.9);
  fixture.tick();
  while (fixture.cleanings.length < 1) await Promise.resolve();
  fixture.tick();
  const [first] = fixture.cleanings;
  fixture.cleaner.onAborted(1);
  assert.equal(first!.isAborted, false);
  fixture.cleaner.onAborted(0);
  assert.equal(first!.isAborted, true);
  first!.end({ kind: "aborted" });
  await fixture.cleaner.look();
  fixture.tick();
  while (fixture.cleanings.length < 2) await Promise.resolve();
  const stopped = fixture.cleaner.stop();
  assert.equal(fixture.cleanings[1]!.isAborted, true);
  fixture.cleanings[1]!.end({ kind: "aborted" });
  await stopped;
  await fixture.cleaner.look();
  assert.equal(fixture.cleanings.length, 2);
  assert.deepEqual(fixture.reports, []);
});

Deno.test("LogCleaner says nothing of a topic that was deleted while a worker read its files", async () => {
  using fixture = new Fixture();
  fixture.outcomeOf = () => null;
  for (const kind of ["failed", "damaged", "refused"] as const) {
    fixture.dirty.set(0, 0.9);
    const looked = fixture.cleaner.look();
    while (fixture.cleanings.length === 0) await Promise.resolve();
    fixture.cleaner.onAborted(0);
    fixture.cleanings.pop()!.end({ kind, message: "the file has 0 bytes of 300" });
    await looked;
  }
  assert.deepEqual(fixture.slotsOf("end"), [0, 0, 0]);
  assert.deepEqual([fixture.reports, fixture.cleaner.failedCount], [[], 0]);
});

Deno.test("LogCleaner does nothing without a compacted topic, and nothing when it is turned off", async () => {
  using fixture = new Fixture();
  fixture.image.apply({ changed: [], deletedIds: ["a-id"] });
  await fixture.cleaner.look();
  using off = new Fixture({ logCleanerEnable: false });
  using none = new Fixture({ logCleanerThreads: 0 });
  for (const { cleaner } of [off, none]) await cleaner.look();
  assert.deepEqual([fixture, off, none].map(({ asked }) => asked.length), [0, 0, 0]);
});

Deno.test("LogCleaner looks as often as the settings say now, and never without threads", () => {
  using fixture = new Fixture();
  const { cleaner, settings } = fixture;
  const looks = (changes: Partial<typeof config>) => {
    Object.assign(settings, changes);
    cleaner.configure();
    return fixture.everyMs;
  };
  assert.equal(fixture.everyMs, 15_000);
  assert.equal(looks({ logCleanerBackoffMs: 500 }), 500);
  assert.equal(looks({ logCleanerThreads: 0 }), null);
  assert.equal(looks({ logCleanerThreads: 2, logCleanerBackoffMs: 0 }), 1);
});

Deno.test("LogCleaner begins a round with the settings as they are then, and ends it with them", async () => {
  using fixture = new Fixture({ logCleanerThreads: 2, logCleanerIoMaxBytesPerSecond: 100 });
  for (const slot of [0, 1]) fixture.dirty.set(slot, 0.9);
  fixture.outcomeOf = () => null;
  const looked = fixture.cleaner.look();
  while (fixture.cleanings.length < 2) await Promise.resolve();
  Object.assign(fixture.settings, { logCleanerThreads: 1, logCleanerDedupeBufferSize: 700 });
  fixture.dirty.set(2, 0.8);
  fixture.outcomeOf = () => cleaned(10);
  for (const { end } of fixture.cleanings) end(cleaned(10));
  await looked;
  const begun = fixture.asked.flatMap(([, request]) => request.kind === "begin" ? [request.dedupeBufferBytes] : []);
  assert.deepEqual(begun, [500, 500, 700]);
  const [two, one] = [{ workersMax: 2, bytesPerSecond: 50 }, { workersMax: 1, bytesPerSecond: 100 }];
  assert.deepEqual(fixture.limits, [two, two, one]);
});

Deno.test("LogCleaner asks no shard about a partition elsewhere, and forgets how far it was compacted here", async () => {
  using fixture = new Fixture();
  for (const slot of [0, 1, 2]) fixture.dirty.set(slot, 0.9);
  await fixture.cleaner.look();
  const topic = topicOn([0, 1, 0], { name: "a", id: "a-id", config: compact });
  fixture.image.apply({ changed: [elsewhere(topic, [0, 1])], deletedIds: [] });
  fixture.asked.length = 0;
  for (const slot of [0, 1, 2]) fixture.dirty.set(slot, 0.9);
  await fixture.cleaner.look();
  const asked = fixture.asked.flatMap(([shard, request]) =>
    request.kind === "choose" ? [[shard, [...request.slots]]] : []
  );
  assert.deepEqual(asked[0], [0, [2]]);
  assert.deepEqual(fixture.slotsOf("begin"), [2]);
  await fixture.offsets.write();
  assert.equal(fixture.file, "0\n1\na 2 10\n");
  assert.deepEqual([0, 1, 2].map((partition) => fixture.offsets.get("a-id", partition)), [undefined, undefined, 10]);
});
