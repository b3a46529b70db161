/**
 * Tests the runtime with a coordinator of counters by name, which Kafka does not have. A record is a name and a number. Groups on the
 * runtime are tested in groups/.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { ManualClock } from "../../../storage/base/clock.ts";
import { toOffset } from "../../../storage/base/units.ts";
import { Log } from "../../../storage/log/log.ts";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { logOptions } from "../../../tests/log_fixture.ts";
import { MetadataImage } from "../../metadata/image.ts";
import { Partition } from "../../owned/partition.ts";
import { deafOwner, elsewhere, smallLogs, topicOn } from "../../owned/partition_testing.ts";
import { Deadlines } from "../../requests/deadlines.ts";
import { Purgatory } from "../../requests/purgatory.ts";
import { InterestTable, WatermarkTable } from "../../shared/watermarks.ts";
import { CoordinatorRuntime } from "./coordinator_runtime.ts";
import type { Timer } from "./lazy_timer.ts";
import type { RecordLog } from "./record_log.ts";
import type { CoordinatorKind, DeletedTopic, StateMachine } from "./state_machine.ts";

const TOPIC = "__counters";
const SLOT = 7;
const EXPIRY_MS = 60_000;

interface Count {
  readonly name: string;
  readonly value: number;
}

/** Counters of a partition. */
class Counters implements StateMachine<Count> {
  readonly values = new Map<string, number>();
  readonly events: string[] = [];
  readonly log: RecordLog<Count>;

  constructor(log: RecordLog<Count>) {
    this.log = log;
  }

  replay({ name, value }: Count): void {
    this.values.set(name, value);
  }

  *start(): Generator<void, void> {
    this.events.push("start");
    yield;
    this.events.push("started");
  }

  *expire(): Generator<void, void> {
    for (const name of this.values.keys()) {
      this.events.push(`expire ${name}`);
      yield;
    }
  }

  onTopicsChanged(names: ReadonlySet<string>): void {
    this.events.push(`changed ${[...names]}`);
  }

  onTopicsDeleted(topics: readonly DeletedTopic[]): void {
    this.events.push(`deleted ${topics.map(({ name }) => name)}`);
  }

  dispose(code: number): void {
    this.events.push(`dispose ${code}`);
  }
}

const text = { encode: new TextEncoder(), decode: new TextDecoder() };

const kind: CoordinatorKind<Count, Counters> = {
  topic: TOPIC,
  coordinates: "counters",
  codec: {
    encode: ({ name, value }) => ({ key: text.encode.encode(name), value: text.encode.encode(String(value)) }),
    decode: (key, value) =>
      key === null || value === null
        ? null
        : { name: text.decode.decode(key), value: Number(text.decode.decode(value)) },
    unread: () => "damaged",
  },
  expiryIntervalMs: EXPIRY_MS,
  make: (log) => new Counters(log),
};

/** A shard with the only partition of the topic. Its log can be reopened. */
class Fixture {
  readonly clock = new ManualClock();
  readonly files = new CrashingFileSystem(() => 0.5);
  readonly image = new MetadataImage();
  readonly reports: string[] = [];
  readonly purgatory = new Purgatory(new InterestTable(InterestTable.allocate(1)), 0);
  readonly topic = topicOn([0], { name: TOPIC, slots: [SLOT], config: smallLogs });
  readonly #table = new WatermarkTable(WatermarkTable.allocate());
  partition!: Partition;
  runtime!: CoordinatorRuntime<Count, Counters>;

  constructor() {
    this.image.apply({ changed: [this.topic], deletedIds: [] });
    this.start();
  }

  /** Opens the log and begins to load. */
  start(): void {
    const log = Log.open(
      logOptions(`/logs/${TOPIC}-0`, { fs: this.files.fileSystem, clock: this.clock, config: smallLogs }),
    );
    this.partition = new Partition(log, {
      slot: SLOT,
      leaderEpoch: 1,
      config: smallLogs,
      table: this.#table,
      owner: deafOwner,
    });
    this.runtime = new CoordinatorRuntime(kind, {
      shard: 0,
      clock: this.clock,
      fs: this.files.fileSystem,
      image: this.image,
      partitions: { ownAt: (slot) => slot === SLOT ? this.partition : undefined },
      purgatory: this.purgatory,
      timers: new Deadlines<Timer>(),
      replyWaitMsMax: 5000,
      report: (message) => void this.reports.push(message),
    });
    this.runtime.onImage({ changed: [this.topic], deleted: [] });
  }

  /** Loads the whole partition. */
  load(): void {
    while (this.runtime.isLoading) this.runtime.runTurn(this.clock.monotonicMs());
  }

  /** The state, once it is loaded. */
  get counters(): Counters {
    const found = this.runtime.partitionOf("a");
    assert(typeof found === "object");
    return found.machine;
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.runtime.runTurn(this.clock.monotonicMs());
  }
}

Deno.test("CoordinatorRuntime refuses keys until their partition is loaded, then knows the appended records", () => {
  const test = new Fixture();
  assert.equal(test.runtime.partitionOf("a"), errorCode.COORDINATOR_LOAD_IN_PROGRESS);
  assert.equal(test.runtime.nextDeadlineMs, 0, "it wants turns while it loads");
  test.load();
  const { log, events } = test.counters;
  assert.deepEqual(events, ["start", "started"]);
  for (const value of [1, 2, 3]) assert.equal(log.append([{ name: "a", value }, { name: "b", value: -value }]), 0);
  test.files.restart("all");
  test.start();
  test.load();
  assert.deepEqual([...test.counters.values], [["a", 3], ["b", -3]]);
});

Deno.test("RecordLog.gather() writes one batch for a turn, applies it and then answers; append() writes behind it", () => {
  const test = new Fixture();
  test.load();
  const { log, values } = test.counters;
  const done: string[] = [];
  for (const value of [1, 2, 3]) {
    log.gather([{ name: "a", value }], (code) => void done.push(`${value} ${code} ${values.get("a")}`));
  }
  assert.deepEqual([test.runtime.hasGathered, done.length, values.size, log.appendedBatches], [true, 0, 0, 0]);
  test.runtime.writeGathered(() => true);
  assert.deepEqual([test.runtime.hasGathered, log.appendedBatches], [false, 1]);
  assert.deepEqual(done.splice(0), ["1 0 3", "2 0 3", "3 0 3"]);
  log.gather([{ name: "a", value: 4 }], (code) => void done.push(`4 ${code}`));
  log.append([{ name: "a", value: 5 }]);
  assert.deepEqual([done.splice(0), log.appendedBatches], [["4 0"], 3]);
  const tooLarge = { name: "x".repeat(smallLogs.segmentBytes), value: 0 };
  log.gather([tooLarge], (code) => void done.push(`large ${code}`));
  log.gather([{ name: "a", value: 6 }], (code) => void done.push(`6 ${code}`));
  test.runtime.writeGathered(() => true);
  assert.deepEqual(done, [`large ${errorCode.UNKNOWN_SERVER_ERROR}`, "6 0"], "one refuses none of the others");
});

Deno.test("CoordinatorRuntime searches for expired state each interval, slice by slice", () => {
  const test = new Fixture();
  test.load();
  const { log, events } = test.counters;
  log.gather([{ name: "a", value: 1 }, { name: "b", value: 1 }], () => {});
  test.runtime.writeGathered(() => true);
  events.splice(0);
  test.advance(EXPIRY_MS - 1);
  assert.deepEqual(events, []);
  test.advance(1000);
  assert.deepEqual(events.splice(0), ["expire a"]);
  test.advance(10);
  assert.deepEqual(events.splice(0), ["expire b"]);
  for (let turn = 0; turn < 5; turn++) test.advance(10);
  assert.deepEqual(events, []);
  test.runtime.expireSoon();
  test.advance(0);
  assert.deepEqual(events, ["expire a"]);
});

Deno.test("CoordinatorRuntime passes topic changes on once it is loaded, and resigns when its own topic is deleted", () => {
  const test = new Fixture();
  const gone = topicOn([0], { name: "gone" });
  test.runtime.onImage({ changed: [], deleted: [gone] });
  test.load();
  const { events, log } = test.counters;
  assert.deepEqual(events.splice(0), ["start", "started", "deleted gone"], "what went while it was loaded, too");
  test.runtime.onImage({ changed: [topicOn([0], { name: "new" })], deleted: [] });
  assert.deepEqual(events.splice(0), ["changed new"]);
  const done: number[] = [];
  log.gather([{ name: "a", value: 1 }], (code) => void done.push(code));
  test.runtime.onImage({ changed: [], deleted: [test.topic] });
  assert.deepEqual([events, done], [[`dispose ${errorCode.NOT_COORDINATOR}`], [0]]);
  assert.equal(test.runtime.partitionOf("a"), errorCode.NOT_COORDINATOR);
  assert.equal(test.runtime.nextDeadlineMs, Infinity, "no timer is left");
});

Deno.test("CoordinatorRuntime reports a partition that cannot be loaded, and coordinates none of its keys", () => {
  const test = new Fixture();
  test.load();
  test.counters.log.append([{ name: "a", value: 1 }]);
  test.files.restart("all");
  test.start();
  const { fileSystem } = test.files;
  const { pread } = fileSystem;
  Object.assign(fileSystem, {
    pread: (...call: Parameters<typeof pread>) => {
      const length = pread.apply(fileSystem, call);
      call[1].bytes.fill(0xff, call[2], call[2] + length);
      return length;
    },
  });
  test.load();
  assert.match(test.reports.join("\n"), /__counters-0 cannot be loaded, its counters have no coordinator: /);
  assert.equal(test.runtime.partitionOf("a"), errorCode.NOT_COORDINATOR);
});

Deno.test("CoordinatorRuntime serves no leadership but its own: it resigns with it, writes nothing afterwards, and loads the log again", () => {
  for (const hasNoticed of [true, false]) {
    const test = new Fixture();
    test.load();
    const { log, events } = test.counters;
    log.append([{ name: "a", value: 1 }]);
    const codes: number[] = [];
    log.gather([{ name: "a", value: 2 }], (code) => void codes.push(code));
    events.splice(0);
    const change = (leads: boolean, leaderEpoch: number) => {
      test.partition.update({ leads, leaderEpoch, config: smallLogs });
      if (!leads) assert.equal(test.runtime.partitionOf("a"), errorCode.NOT_COORDINATOR, "before it learns of it");
      if (hasNoticed || leads) test.runtime.onImage({ changed: [test.topic], deleted: [] });
    };
    change(false, 2);
    if (hasNoticed) {
      assert.deepEqual([events, codes], [[`dispose ${errorCode.NOT_COORDINATOR}`], [errorCode.NOT_COORDINATOR]]);
    }
    assert.equal(test.partition.follower.truncateTo(toOffset(0)), "truncated");
    change(true, 3);
    assert.equal(test.runtime.partitionOf("a"), errorCode.COORDINATOR_LOAD_IN_PROGRESS);
    assert.deepEqual([events, codes], [[`dispose ${errorCode.NOT_COORDINATOR}`], [errorCode.NOT_COORDINATOR]]);
    assert.equal(log.append([{ name: "a", value: 4 }]), errorCode.NOT_COORDINATOR);
    test.load();
    assert.deepEqual([[...test.counters.values], test.partition.log.logEndOffset], [[], 0]);
    assert.equal(test.counters.log.append([{ name: "a", value: 5 }]), errorCode.NONE);
  }
});

Deno.test("CoordinatorRuntime takes on a partition only once this broker leads it", () => {
  const test = new Fixture();
  test.load();
  test.counters.log.append([{ name: "a", value: 1 }]);
  test.partition.update({ leads: false, leaderEpoch: 2, config: smallLogs });
  test.runtime.onImage({ changed: [test.topic], deleted: [] });
  assert.deepEqual([...test.runtime.partitions], []);
  assert.deepEqual([test.runtime.isLoading, test.runtime.nextDeadlineMs], [false, Infinity]);
  test.partition.update({ leads: true, leaderEpoch: 3, config: smallLogs });
  test.runtime.onImage({ changed: [test.topic], deleted: [] });
  test.load();
  assert.deepEqual([...test.counters.values], [["a", 1]]);
});

Deno.test("CoordinatorRuntime resigns a partition whose replica went to another broker, and takes it on again when it comes back", () => {
  const test = new Fixture();
  test.load();
  const { log, events } = test.counters;
  log.append([{ name: "a", value: 1 }]);
  events.splice(0);
  test.image.apply({ changed: [elsewhere(test.topic, [0])], deletedIds: [] });
  test.runtime.onImage({ changed: [elsewhere(test.topic, [0])], deleted: [] });
  assert.deepEqual(events, [`dispose ${errorCode.NOT_COORDINATOR}`]);
  assert.equal(test.runtime.partitionOf("a"), errorCode.NOT_COORDINATOR);
  assert.equal(test.runtime.nextDeadlineMs, Infinity, "no timer is left");
  test.image.apply({ changed: [test.topic], deletedIds: [] });
  test.runtime.onImage({ changed: [test.topic], deleted: [] });
  assert.equal(test.runtime.partitionOf("a"), errorCode.COORDINATOR_LOAD_IN_PROGRESS);
  test.load();
  assert.deepEqual([...test.counters.values], [["a", 1]]);
});
