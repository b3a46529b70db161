/**
 * The index of aborted transactions of a follower: it has what Kafka's rules say, whatever the pieces, rolls, crashes and truncations.
 * The expected entries come from the batches that were sent.
 */
import { strict as assert } from "node:assert";
import { toOffset } from "../../base/units.ts";
import { createRandom } from "../../base/random.ts";
import { encodeTransactionIndex } from "../../segments/transaction_index.ts";
import { Crash, CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { openLog, testConfig } from "../../../tests/log_fixture.ts";
import { buildBatch, concatBytes, inMemory, TEST_TIMESTAMP } from "../../../tests/record_batch_builder.ts";
import type { Log } from "../log.ts";

const DIRECTORY = "/logs/t-0";
const config = { ...testConfig, segmentBytes: 700 };
const PRODUCERS = 3;

/** A history: its batches in order, and the entries that the aborted transactions have. */
function historyOf(seed: number) {
  const random = createRandom(seed);
  const open = new Map<number, number>();
  const sequences = new Map<number, number>();
  const batches: Uint8Array[] = [];
  const aborted: Parameters<typeof encodeTransactionIndex>[0][number][] = [];
  for (let baseOffset = 0; baseOffset < 60; baseOffset++) {
    const producerId = 1 + Math.floor(random() * PRODUCERS);
    const producer = { producerId, producerEpoch: 0, transactional: true, partitionLeaderEpoch: 1, baseOffset };
    const first = open.get(producerId);
    if (first === undefined || random() < 0.5) {
      const baseSequence = sequences.get(producerId) ?? 0;
      sequences.set(producerId, baseSequence + 1);
      batches.push(buildBatch([{ key: "k", value: "x" }], { ...producer, baseSequence }));
      if (first === undefined) open.set(producerId, baseOffset);
      continue;
    }
    const isAbort = random() < 0.6;
    const marker = { key: new Uint8Array([0, 0, 0, isAbort ? 0 : 1]), value: new Uint8Array(6) };
    batches.push(buildBatch([marker], { ...producer, control: true }));
    open.delete(producerId);
    const lastStableOffset = Math.min(baseOffset + 1, ...open.values());
    if (!isAbort) continue;
    const offsets = { firstOffset: toOffset(first), lastOffset: toOffset(baseOffset) };
    aborted.push({ producerId, ...offsets, lastStableOffset: toOffset(lastStableOffset) });
  }
  return { batches, aborted };
}

type History = ReturnType<typeof historyOf>;

function follow(log: Log, { batches }: History, to = batches.length): void {
  for (let at = log.logEndOffset as number; at < to; at++) {
    const { memory, start, length } = inMemory(concatBytes([batches[at]!]), 3);
    const result = log.appendAsFollower(memory, { start, length, leaderEpoch: 1, nowMs: TEST_TIMESTAMP });
    assert.equal(result.refusal, null, result.message);
    if (at % 13 === 5) assert.ok(log.flush());
  }
}

/** Compares the index of each segment with the history up to the log's end. */
function checkIndexes(log: Log, { fileSystem: fs }: CrashingFileSystem, { aborted }: History, name: string): void {
  for (const { baseOffset, endOffset } of log.segments()) {
    const expected = aborted.filter(({ lastOffset }) => lastOffset >= baseOffset && lastOffset < endOffset);
    const path = `${DIRECTORY}/${String(baseOffset).padStart(20, "0")}.txnindex`;
    const found = fs.readFile(path) ?? new Uint8Array();
    assert.deepEqual([...found], [...encodeTransactionIndex(expected)], `${name}, segment ${baseOffset}`);
  }
}

Deno.test("a follower writes the index of aborted transactions, and a truncation and what follows it keep it right", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const history = historyOf(seed);
    const disk = new CrashingFileSystem(() => 0.5);
    using log = openLog(DIRECTORY, { fs: disk.fileSystem, config, producerIdExpirationMs: Infinity });
    follow(log, history);
    assert.ok(history.aborted.length > 5 && log.segments().length > 5);
    checkIndexes(log, disk, history, `seed ${seed}`);
    for (const end of [50, 33, 20, 7]) {
      assert.equal(log.truncateTo(toOffset(end)).refusal, null);
      checkIndexes(log, disk, history, `seed ${seed}, cut at ${end}`);
      follow(log, history);
      checkIndexes(log, disk, history, `seed ${seed}, again from ${end}`);
    }
  }
});

Deno.test("the index of aborted transactions is what the batches say after a stop at any call", () => {
  for (const survival of ["all", "none", "random"] as const) {
    let isStopped = true;
    for (let afterCalls = 1; isStopped; afterCalls += 4) {
      const history = historyOf(afterCalls);
      const disk = new CrashingFileSystem(createRandom(afterCalls));
      const { fileSystem: fs } = disk;
      let recoveryPoint = toOffset(0);
      disk.crashAt = afterCalls;
      try {
        using log = openLog(DIRECTORY, { fs, config, producerIdExpirationMs: Infinity });
        for (let to = 5; to <= 60; to += 5) {
          follow(log, history, to);
          if (to % 15 === 0) assert.ok(log.flush());
          recoveryPoint = log.recoveryPoint;
        }
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
      }
      isStopped = disk.crashed;
      disk.restart(survival);
      for (const isCacheIntact of survival === "all" ? [true, false] : [false]) {
        using log = openLog(DIRECTORY, { fs, config, recoveryPoint, isCacheIntact, producerIdExpirationMs: Infinity });
        // A follower fetches again what a loss of power has taken in between (partitions/replication/replica_state.ts).
        if (log.found.lostFrom !== null) assert.equal(log.truncateTo(log.found.lostFrom).refusal, null);
        const name = `${survival}, stopped after ${afterCalls} calls, believed: ${isCacheIntact}`;
        checkIndexes(log, disk, history, name);
        follow(log, history);
        checkIndexes(log, disk, history, `${name}, and then to the end`);
        recoveryPoint = log.recoveryPoint;
      }
    }
  }
});
