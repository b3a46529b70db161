import { strict as assert } from "node:assert";
import { toOffset } from "../../../storage/base/units.ts";
import { type FileSystem, linuxFileSystem } from "../../../storage/sys/file_system.ts";
import { type BatchOptions, buildBatch } from "../../../tests/record_batch_builder.ts";
import { type LoadedLog, LoadMemory, type LoadProblem, RecordLoader } from "./record_loader.ts";
import { encodeGroupRecord, type GroupRecord, groupRecordCodec } from "../groups/records/group_record.ts";

const FD = 7;

/** A log in memory that consists of consecutive batches. */
class MemoryLog {
  readonly batches: { bytes: Uint8Array; end: number }[] = [];
  leases = 0;
  start = 0;
  end = 0;

  add(records: Parameters<typeof buildBatch>[0], options: BatchOptions = {}): void {
    const bytes = buildBatch(records, { baseOffset: this.end, ...options });
    this.end += records.length;
    this.batches.push({ bytes, end: this.end });
  }

  /** Reads one batch, found by its first offset. */
  get log(): LoadedLog {
    return {
      logStartOffset: toOffset(this.start),
      logEndOffset: toOffset(this.end),
      read: (offset) => {
        const index = this.batches.findIndex(({ end }) => offset < end);
        const found = this.batches[index];
        if (found === undefined) return { refusal: null, message: "", slice: null };
        this.leases++;
        const place = { fd: FD, position: index, length: found.bytes.length };
        return { refusal: null, message: "", slice: { ...place, nextOffset: toOffset(found.end), leaseId: 1 } };
      },
      release: () => void this.leases--,
    };
  }

  get fs(): FileSystem {
    return {
      ...linuxFileSystem,
      pread: (_fd, memory, start, length, position) => {
        memory.bytes.set(this.batches[position]!.bytes.subarray(0, length), start);
        return length;
      },
    };
  }
}

function commit(partition: number): { key: Uint8Array; value: Uint8Array | null } {
  const value = {
    offset: 1,
    leaderEpoch: -1,
    metadata: "",
    commitTimestamp: 1,
    expireTimestamp: -1,
    topicId: "A".repeat(22),
  };
  return encodeGroupRecord({ kind: "offset-commit", key: { group: "g", topic: "t", partition }, value });
}

/** Loads the whole log. @returns partitions of the commits in their order */
function load(
  memory: MemoryLog,
): { shown: number[]; result: boolean | LoadProblem; loader: RecordLoader<GroupRecord> } {
  const loader = new RecordLoader(memory.log, new LoadMemory(memory.fs), groupRecordCodec);
  const shown: number[] = [];
  const show = (record: GroupRecord) => {
    assert(record.kind === "offset-commit");
    shown.push(record.key.partition);
  };
  for (let turns = 0; turns < 100; turns++) {
    const result = loader.loadSlice(show);
    assert.equal(memory.leases, 0, "every slice is given back");
    if (result !== false) return { shown, result, loader };
  }
  throw new Error("loading does not end");
}

function problemOf(result: boolean | LoadProblem): LoadProblem {
  assert(typeof result === "object", "the slice is not loaded");
  return result;
}

/** Builds a marker that ends a transaction. @param type 0 abort, 1 commit */
function marker(memory: MemoryLog, producerId: number, type: number): void {
  const record = { key: new Uint8Array([0, 0, 0, type]), value: new Uint8Array(6) };
  memory.add([record], { control: true, transactional: true, producerId, producerEpoch: 0 });
}

Deno.test("loadSlice() replays the records of a transaction at its commit, and never those of an aborted or open one", () => {
  const memory = new MemoryLog();
  const by = (producerId: number) => ({ transactional: true, producerId, producerEpoch: 0, baseSequence: 0 });
  memory.add([commit(0)], by(5));
  memory.add([commit(1)]);
  memory.add([commit(2)], by(6));
  memory.add([commit(3)], by(5));
  marker(memory, 6, 0);
  marker(memory, 5, 1);
  memory.add([commit(4)], by(6));
  const { shown, result, loader } = load(memory);
  assert.equal(result, true);
  assert.deepEqual(shown, [1, 0, 3]);
  assert.equal(loader.recordsCount, 3);
});

Deno.test("loadSlice() replays no record below the log start, which may lie within a batch", () => {
  const memory = new MemoryLog();
  memory.add([commit(0), commit(1), commit(2)]);
  memory.start = 2;
  assert.deepEqual(load(memory).shown, [2]);
});

Deno.test("loadSlice() replays the whole batches before a damaged one, then ends with a message", () => {
  const memory = new MemoryLog();
  memory.add([commit(0)]);
  memory.add([commit(1)]);
  const { bytes } = memory.batches[1]!;
  bytes[bytes.length - 1]! ^= 1;
  const { shown, result } = load(memory);
  assert.deepEqual(shown, [0]);
  assert.match(problemOf(result).message, /offset 1: CRC-32C mismatch/);
  assert.equal(problemOf(result).mayPass, false);
});

Deno.test("loadSlice() of an empty log ends at once, and a slice whose read failed can be loaded again", () => {
  assert.equal(load(new MemoryLog()).result, true);
  const memory = new MemoryLog();
  memory.add([commit(0)]);
  const short: FileSystem = { ...memory.fs, pread: () => -1, lastError: () => "EIO" };
  const loader = new RecordLoader(memory.log, new LoadMemory(short), groupRecordCodec);
  const problem = problemOf(loader.loadSlice(() => {}));
  assert.match(problem.message, /Cannot read .* EIO/);
  assert.deepEqual([problem.mayPass, memory.leases], [true, 0]);
  short.pread = memory.fs.pread;
  const shown: number[] = [];
  const show = (record: GroupRecord) => void (record.kind === "offset-commit" && shown.push(record.key.partition));
  assert.equal(loader.loadSlice(show), true);
  assert.deepEqual(shown, [0], "the slice is loaded by another try");
});
