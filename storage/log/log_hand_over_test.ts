/**
 * Tests of handing a log over to another owner in the same process: the next owner does not scan it, and no more of it counts as
 * durable.
 */
import { strict as assert } from "node:assert";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { append, findInconsistencies, logOptions, readAll, recordsOf, testConfig } from "../../tests/log_fixture.ts";
import { createRandom } from "../base/random.ts";
import { type Offset, toOffset } from "../base/units.ts";
import { Log } from "./log.ts";

const DIRECTORY = "/logs/t-0";
const TOPIC_ID = "zquKKtglnpoYNVDtWJ6LTw";
const config = { ...testConfig, segmentBytes: 2000, segmentIndexBytes: 1024, indexIntervalBytes: 100 };

/** A log in memory, and the offsets that a checkpoint would hold for it. */
class Scene {
  readonly files: CrashingFileSystem;
  recoveryPoint: Offset = toOffset(0);
  log: Log;
  readonly reports: string[] = [];

  constructor(files: CrashingFileSystem) {
    this.files = files;
    this.log = this.#open({});
    assert.ok(this.log.becomeLeader(1));
  }

  /** Hands the log over to a new owner, which opens it. */
  handOver(): void {
    const { logStartOffset, logEndOffset, producers: { size } } = this.log;
    const { log } = this;
    assert.ok(log.handOver());
    this.recoveryPoint = log.recoveryPoint;
    this.log = this.#open({ cleanShutdown: true, isHandedOver: true, logStartOffset });
    assert.equal(this.log.logEndOffset, logEndOffset);
    assert.equal(this.log.recoveryPoint, this.recoveryPoint);
    assert.equal(this.log.producers.size, size);
  }

  flush(): void {
    assert.ok(this.log.flush());
    this.recoveryPoint = this.log.recoveryPoint;
  }

  /** Opens what survived, as a start after a crash does. */
  reopen(survival: "none" | "random"): Log {
    this.files.restart(survival);
    return this.#open({});
  }

  #open(changes: { cleanShutdown?: boolean; isHandedOver?: boolean; logStartOffset?: Offset }): Log {
    const { recoveryPoint, reports } = this;
    return Log.open(logOptions(DIRECTORY, {
      fs: this.files.fileSystem,
      config,
      topicId: TOPIC_ID,
      recoveryPoint,
      report: (text) => void reports.push(text),
      ...changes,
    }));
  }
}

Deno.test("Log.handOver() leaves a log that opens without a scan, with its producers, and no more of it counts as durable", () => {
  const scene = new Scene(new CrashingFileSystem(() => 0.5));
  const { log } = scene;
  for (let batch = 0; batch < 30; batch++) {
    append(log, recordsOf(1, 300), { producerId: 5, producerEpoch: 0, baseSequence: batch });
    if (batch === 10) scene.flush();
  }
  let flushes = 0;
  const { fdatasync } = scene.files.fileSystem;
  Object.assign(scene.files.fileSystem, { fdatasync: (fd: number) => (flushes++, fdatasync(fd)) });
  scene.handOver();
  assert.equal(flushes, 0);
  assert.deepEqual(scene.reports, []);
  assert.ok(scene.recoveryPoint <= 11, "the segment that was flushed while it was active has been trimmed since");
  assert.equal(log.offlineReason, "The log is closed");
  assert.equal(append(log, recordsOf(1, 10)).refusal, "log-offline");
  assert.equal(
    append(scene.log, recordsOf(1, 300), { producerId: 5, producerEpoch: 0, baseSequence: 29 }).duplicate,
    true,
  );
  assert.equal(readAll(scene.log, { fs: scene.files.fileSystem }).length, 30);
});

Deno.test("a flush by the next owner also makes names and small files durable that the first owner had not flushed", () => {
  const scene = new Scene(new CrashingFileSystem(() => 0.5));
  for (let batch = 0; batch < 20; batch++) append(scene.log, recordsOf(1, 300));
  scene.handOver();
  append(scene.log, recordsOf(1, 300));
  scene.flush();
  const again = scene.reopen("none");
  assert.deepEqual([again.logEndOffset, again.latestLeaderEpoch], [21, 1]);
  assert.equal(readAll(again, { fs: scene.files.fileSystem }).length, 21);
});

Deno.test("after a loss of power at any point a log that was handed over has everything that was flushed", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = createRandom(seed);
    const scene = new Scene(new CrashingFileSystem(random));
    let flushed = 0;
    scene.files.crashAt = scene.files.calls + 1 + Math.floor(random() * 120);
    try {
      for (;;) {
        const choice = random();
        if (choice < 0.6) append(scene.log, recordsOf(1, Math.floor(random() * 900)));
        else if (choice < 0.7) scene.log.roll(0);
        else if (choice < 0.85) scene.handOver();
        else {
          scene.flush();
          flushed = scene.log.logEndOffset;
        }
      }
    } catch (error) {
      assert.ok(scene.files.crashed, `seed ${seed}: ${error}`);
    }
    const again = scene.reopen("random");
    assert.ok(again.logEndOffset >= flushed, `seed ${seed}: ${again.logEndOffset} of ${flushed}`);
    // Before the first flush a whole segment may be lost.
    if (flushed > 0) assert.equal(again.logStartOffset, 0, `seed ${seed}`);
    const found = readAll(again, { fs: scene.files.fileSystem, hasGaps: true }).map(({ baseOffset }) => baseOffset);
    const kept = Array.from({ length: flushed }, (_, offset) => offset).filter((offset) =>
      offset >= again.logStartOffset
    );
    assert.deepEqual(found.filter((offset) => offset < flushed), kept, `seed ${seed}`);
    assert.ok(again.close({ clean: true }));
    const files = scene.files.files().filter(([path]) => path.startsWith(`${DIRECTORY}/`));
    const named = new Map(files.map(([path, bytes]) => [path.slice(DIRECTORY.length + 1), bytes]));
    assert.deepEqual(findInconsistencies(named, { hasLost: true }), [], `seed ${seed}`);
  }
});
