/** What a log that is opened again knows of batches below its newest producer snapshot, and what it reads to find them. */
import { strict as assert } from "node:assert";
import { FaultyFileSystem } from "../../tests/faulty_file_system.ts";
import { append, openLog, recordsOf, testConfig, TestDirectory } from "../../tests/log_fixture.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import type { Log } from "./log.ts";

const KEPT = 5;

/** Producers that append batches of one record, and what each appended. */
class Producers {
  readonly #offsets = new Map<number, number[]>();
  readonly #valueBytes: number;

  constructor(valueBytes: number) {
    this.#valueBytes = valueBytes;
  }

  send(log: Log, producerId: number, baseSequence: number) {
    return append(log, recordsOf(1, this.#valueBytes), { producerId, producerEpoch: 0, baseSequence });
  }

  append(log: Log, producerId: number): void {
    const offsets = this.#offsets.get(producerId) ?? [];
    this.#offsets.set(producerId, offsets);
    const { refusal, baseOffset } = this.send(log, producerId, offsets.length);
    assert.equal(refusal, null);
    offsets.push(baseOffset);
  }

  /** Each batch from an offset on that is one of its producer's last five is known as a duplicate; so is the newest of each producer. */
  assertKnown(log: Log, from: number): void {
    for (const [producerId, offsets] of this.#offsets) {
      for (let sequence = Math.max(0, offsets.length - KEPT); sequence < offsets.length; sequence++) {
        if (offsets[sequence]! < from && sequence < offsets.length - 1) continue;
        const again = this.send(log, producerId, sequence);
        const what = `producer ${producerId}, ${sequence} of ${offsets.length}`;
        assert.deepEqual([again.refusal, again.duplicate, again.baseOffset], [null, true, offsets[sequence]], what);
      }
    }
  }
}

for (const clean of [true, false]) {
  Deno.test(`a log that is opened again after ${clean ? "a clean stop" : "a crash"} knows the last five batches of every producer within 1 MiB, over segments and in any mixture`, () => {
    for (const [producersCount, batchesCount] of [[1, 400], [3, 400], [40, 600], [300, 1500]] as const) {
      using directory = new TestDirectory();
      const config = { ...testConfig, segmentBytes: 256 * 1024 };
      const producers = new Producers(600);
      let [state, random] = [producersCount, 0];
      {
        using log = openLog(directory.partition, { config });
        for (let i = 0; i < batchesCount; i++) {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          random = Math.floor((state / 2 ** 32) ** 3 * producersCount); // some send much, others little
          producers.append(log, random);
        }
        log.close({ clean });
      }
      using log = openLog(directory.partition, { config, cleanShutdown: clean });
      producers.assertKnown(log, batchesCount * 700 > 1 << 20 ? batchesCount - 1400 : 0);
    }
  });
}

Deno.test("a log that is opened again reads little to know the last batches of one producer, and nothing below 1 MiB", () => {
  const opened = (producers: readonly number[], batchesCount: number) => {
    using directory = new TestDirectory();
    const all = new Producers(100);
    {
      using log = openLog(directory.partition, { config: { ...testConfig, segmentBytes: 64 << 20 } });
      for (let i = 0; i < batchesCount; i++) all.append(log, producers[Math.min(i, producers.length - 1)]!);
      log.close({ clean: true });
    }
    const faulty = new FaultyFileSystem(linuxFileSystem);
    using log = openLog(directory.partition, { fs: faulty.fileSystem, cleanShutdown: true });
    const reads = faulty.callsOf("pread");
    all.assertKnown(log, batchesCount - KEPT);
    return reads;
  };
  const few = opened([1], 100);
  assert.ok(opened([1], 20_000) <= few + 3, "the same for a long log");
  const most = (1 << 20) / 4096 + 100;
  assert.ok(opened([2, 1], 20_000) <= few + 3, "a producer whose only batch is out of reach is not looked for");
  const oldWithinReach = opened([...new Array(15_000).fill(1), 2, 1], 20_000);
  assert.ok(oldWithinReach > few + 50 && oldWithinReach < most, `${oldWithinReach} reads for one within reach`);
});
