/** Tests of a log's producers after a reopening: a retry is distinguished from a new batch for every log start. */
import { strict as assert } from "node:assert";
import { append, deleteSegments, openLog, recordsOf, testConfig, TestDirectory } from "../../../tests/log_fixture.ts";
import { type Offset, toOffset } from "../../base/units.ts";
import type { Log } from "../log.ts";

const RECORDS = 4;
const BATCHES = 13;
const config = { ...testConfig, segmentBytes: 2000, indexIntervalBytes: 300 };

/** Sends batch number i of the one producer. */
const send = (log: Log, i: number) =>
  append(log, recordsOf(RECORDS, 100), { producerId: 7, producerEpoch: 0, baseSequence: i * RECORDS });

/** A retry, a gap and the next batch. */
function checkProducer(log: Log, context: string): void {
  const again = send(log, BATCHES - 1);
  assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, (BATCHES - 1) * RECORDS], context);
  assert.equal(send(log, BATCHES + 1).refusal, "out-of-order-sequence", context);
  const next = send(log, BATCHES);
  assert.deepEqual([next.refusal, next.duplicate, next.baseOffset], [null, false, BATCHES * RECORDS], context);
}

for (const clean of [true, false]) {
  Deno.test(`Log.open() knows the last batch of a producer for every log start (${clean ? "clean" : "crash"})`, () => {
    for (let start = 0; start <= BATCHES * RECORDS; start++) {
      using directory = new TestDirectory();
      const logStartOffset = toOffset(start);
      {
        using log = openLog(directory.partition, { config });
        for (let i = 0; i < BATCHES; i++) send(log, i);
        log.incrementLogStartOffset(logStartOffset);
        if (clean) assert.ok(log.close({ clean }));
      }
      using log = openLog(directory.partition, { config, cleanShutdown: clean, logStartOffset });
      checkProducer(log, `log start ${start}`);
    }
  });
}

Deno.test("Log.open() knows the producer's batches of the last segment when the segments below the log start are gone", () => {
  for (const cleans of [[true, true], [false, false], [true, false], [false, true]]) {
    using directory = new TestDirectory();
    let logStartOffset: Offset = toOffset(0);
    const first = openLog(directory.partition, { config });
    for (let i = 0; i < BATCHES; i++) send(first, i);
    first.incrementLogStartOffset(first.logEndOffset);
    for (const path of deleteSegments(first, first.segmentsBelowStart)) Deno.removeSync(path);
    logStartOffset = first.logStartOffset;
    assert.equal(first.close({ clean: cleans[0]! }), true);
    const second = openLog(directory.partition, { config, cleanShutdown: cleans[0]!, logStartOffset });
    assert.equal(second.close({ clean: cleans[1]! }), true);
    using third = openLog(directory.partition, { config, cleanShutdown: cleans[1]!, logStartOffset });
    checkProducer(third, `${cleans}`);
  }
});

Deno.test("Log.open() rebuilds the producers from the newest remaining snapshot, also when the log starts inside a batch", () => {
  using directory = new TestDirectory();
  {
    using log = openLog(directory.partition, { config });
    for (let i = 0; i < BATCHES; i++) send(log, i);
  }
  const snapshots = [...Deno.readDirSync(directory.partition)].filter(({ name }) => name.endsWith(".snapshot"));
  assert.ok(snapshots.length > 1);
  for (const { name } of snapshots.sort((a, b) => b.name.localeCompare(a.name))) {
    using log = openLog(directory.partition, { config, logStartOffset: toOffset(1) });
    const again = send(log, BATCHES - 1);
    assert.deepEqual([again.duplicate, again.baseOffset], [true, (BATCHES - 1) * RECORDS]);
    log.close({ clean: false });
    Deno.removeSync(`${directory.partition}/${name}`);
  }
});
