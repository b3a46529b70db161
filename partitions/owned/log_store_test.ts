import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/base/clock.ts";
import { Log } from "../../storage/log/log.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { append } from "../../tests/log_fixture.ts";
import { inMemory } from "../../tests/record_batch_builder.ts";
import { LogStore, NO_DESCRIPTORS } from "./log_store.ts";
import { LOG_DIRECTORY, topicOn } from "./partition_testing.ts";
import { emptyWatermarks } from "../shared/watermarks.ts";

function create(
  files: CrashingFileSystem,
  changes: { cleanShutdown?: boolean; isCacheIntact?: boolean; unmarked?: string[]; logsMax?: number } = {},
) {
  const reports: string[] = [];
  const store = new LogStore({
    fs: files.fileSystem,
    clock: new ManualClock(),
    directories: [{
      path: LOG_DIRECTORY,
      isOnline: true,
      cleanShutdown: changes.cleanShutdown ?? false,
      isCacheIntact: changes.isCacheIntact ?? false,
    }],
    unmarked: changes.unmarked,
    logsMax: changes.logsMax,
    producerIdExpirationMs: 1000,
    report: (text) => reports.push(text),
  });
  return { store, reports };
}

function write(files: CrashingFileSystem, path: string, text: string): void {
  const { fileSystem } = files;
  const memory = { bytes: new TextEncoder().encode(text), view: new DataView(new ArrayBuffer(0)), address: 0 };
  const fd = fileSystem.open(path, { write: true, create: true, truncate: true });
  fileSystem.pwrite(fd, memory, 0, memory.bytes.length, 0);
  fileSystem.close(fd);
}

function opened(found: Log | string): Log {
  assert.ok(found instanceof Log, String(found));
  return found;
}

Deno.test("LogStore.open() opens the partition's directory, writes the topic's id, and shares leases among its logs", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { store } = create(files);
  const topic = topicOn([0, 0]);
  const logs = [0, 1].map((partition) => opened(store.open(topic, partition)));
  assert.ok(files.files().some(([path]) => path === `${LOG_DIRECTORY}/t-1/00000000000000000000.log`));
  const metadata = files.files().find(([path]) => path === `${LOG_DIRECTORY}/t-0/partition.metadata`)?.[1];
  assert.match(new TextDecoder().decode(metadata), new RegExp(topic.id));
  const leases = logs.map((log) => {
    append(log, [{ value: "x" }]);
    const limits = { maxBytes: 1000, maxOffset: log.logEndOffset, atLeastOne: true };
    return log.read(log.logStartOffset, limits).slice?.leaseId ?? -1;
  });
  assert.notEqual(leases[0], leases[1]);
  for (const lease of leases) store.release(lease);
  assert.throws(() => store.release(leases[0] as number), /released once/);
});

Deno.test("LogStore.open() starts the first log of a name, and only that, at the checkpointed log start", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { store } = create(files);
  const topic = topicOn([0]);
  const log = opened(store.open(topic, 0));
  for (let count = 0; count < 5; count++) append(log, [{ value: "x" }]);
  log.close({ clean: true });
  write(files, `${LOG_DIRECTORY}/log-start-offset-checkpoint`, "0\n1\nt 0 3\n");
  const { store: next } = create(files, { cleanShutdown: true });
  const reopened = opened(next.open(topic, 0));
  assert.deepEqual([reopened.logStartOffset, reopened.logEndOffset], [3, 5]);
  reopened.remove();
  const anew = opened(next.open({ ...topic, id: "YWFhYWFhYWFhYWFhYWFhYQ" }, 0));
  assert.deepEqual([anew.logStartOffset, anew.logEndOffset], [0, 0]);
});

Deno.test("LogStore reports a damaged checkpoint of recovery points and continues without it", () => {
  const files = new CrashingFileSystem(() => 0.5);
  write(files, `${LOG_DIRECTORY}/recovery-point-offset-checkpoint`, "0\nmany\n");
  const { store, reports } = create(files);
  assert.equal(reports.length, 1);
  assert.match(reports[0] ?? "", /^Ignoring a damaged checkpoint: \/logs\/recovery-point-offset-checkpoint: /);
  assert.equal(opened(store.open(topicOn([0]), 0)).recoveryPoint, 0);
});

Deno.test("LogStore.checkpointed() has the high watermark of a log until it is open; a damaged checkpoint is reported and ignored", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const path = `${LOG_DIRECTORY}/replication-offset-checkpoint`;
  write(files, path, "0\n2\nt 0 7\nt 1 9\n");
  const { store } = create(files);
  const topic = topicOn([0, 0]);
  const highWatermarks = () => [0, 1].map((partition) => store.checkpointed(topic, partition).highWatermark);
  assert.deepEqual(highWatermarks(), [7, 9]);
  opened(store.open(topic, 0));
  assert.deepEqual(highWatermarks(), [0, 9]);
  store.forgetCheckpoints();
  assert.deepEqual(highWatermarks(), [0, 0]);
  write(files, path, "0\n1\nt 0 7");
  const { store: next, reports } = create(files);
  assert.match(reports[0] ?? "", /^Ignoring a damaged checkpoint: \/logs\/replication-offset-checkpoint: /);
  assert.equal(next.checkpointed(topic, 0).highWatermark, 0);
});

Deno.test("LogStore refuses a damaged checkpoint of log starts: deleted records would be served again", () => {
  const files = new CrashingFileSystem(() => 0.5);
  write(files, `${LOG_DIRECTORY}/log-start-offset-checkpoint`, "0\n1\nt 0 3");
  assert.throws(() => create(files), /log-start-offset-checkpoint: its last line is cut off/);
});

Deno.test("LogStore.open() recovers a log to which the clean stop does not apply", () => {
  for (const unmarked of [[], ["t 0"]]) {
    const files = new CrashingFileSystem(() => 0.5);
    const log = opened(create(files).store.open(topicOn([0]), 0));
    for (let count = 0; count < 5; count++) append(log, [{ value: "x" }]);
    log.close({ clean: true });
    const again = opened(create(files, { cleanShutdown: true, unmarked }).store.open(topicOn([0]), 0));
    assert.equal(again.recoveryPoint, unmarked.length > 0 ? 0 : 5);
  }
});

Deno.test("LogStore believes the page cache of a killed broker, except for a log to which that does not apply", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const log = opened(create(files).store.open(topicOn([0]), 0));
  for (let count = 0; count < 5; count++) append(log, [{ value: "x".repeat(5000) }]);
  const path = `${LOG_DIRECTORY}/t-0/${"0".repeat(20)}.log`;
  files.restart("all");
  const bytes = files.fileSystem.readFile(path) as Uint8Array<ArrayBuffer>;
  const damaged = bytes.slice();
  damaged[100]! ^= 1; // in the first batch, which a check of the end does not reach
  for (const unmarked of [[], ["t 0"]]) {
    write(files, path, "");
    files.fileSystem.pwrite(
      files.fileSystem.open(path, { write: true }),
      inMemory(damaged, 0).memory,
      0,
      bytes.length,
      0,
    );
    const { store } = create(files, { isCacheIntact: true, unmarked });
    assert.equal(opened(store.open(topicOn([0]), 0)).logEndOffset, unmarked.length > 0 ? 0 : 5);
    assert.equal(store.isIntact, unmarked.length === 0, "whether something was cut off");
    files.restart("all");
  }
});

Deno.test("LogStore.isIntact is false once a log could not be opened", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { store } = create(files, { logsMax: 1 });
  opened(store.open(topicOn([0, 0]), 0));
  assert.equal(store.isIntact, true);
  assert.equal(store.open(topicOn([0, 0]), 1), NO_DESCRIPTORS);
  assert.equal(store.isIntact, false);
});

Deno.test("LogStore.open() returns why a log cannot be served: a refusing disk, a directory of another topic", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { store } = create(files);
  opened(store.open(topicOn([0]), 0)).close({ clean: true });
  const other = store.open(topicOn([0], { id: "YWFhYWFhYWFhYWFhYWFhYQ" }), 0);
  assert.match(String(other), /^Cannot open \/logs\/t-0: it belongs to topic id .+/);
  files.capacityBytes = 0;
  assert.match(String(store.open(topicOn([0], { name: "u" }), 0)), /^Cannot open \/logs\/u-0: .+/);
});

Deno.test("LogStore.open() throws errors that are bugs", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { store } = create(files);
  files.fileSystem.makeDirectory = () => {
    throw new TypeError("a bug");
  };
  assert.throws(() => store.open(topicOn([0]), 0), TypeError);
});

Deno.test("after LogStore.forgetCheckpoints() a new log of an old name starts at 0; logs that could not be opened keep their offsets", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const damaged = topicOn([0], { name: "damaged", id: "YWFhYWFhYWFhYWFhYWFhYQ" });
  opened(create(files).store.open(damaged, 0)).close({ clean: true });
  const metadata = `${LOG_DIRECTORY}/damaged-0/partition.metadata`;
  const whole = new TextDecoder().decode(files.files().find(([path]) => path === metadata)?.[1]);
  write(files, metadata, whole.replace("YWFh", "YmJi"));
  write(files, `${LOG_DIRECTORY}/log-start-offset-checkpoint`, "0\n2\nt 0 3\ndamaged 0 7\n");
  const { store } = create(files);
  assert.match(String(store.open(damaged, 0)), /Cannot open/);
  assert.deepEqual(store.checkpointed(damaged, 0), { recoveryPoint: 0, logStartOffset: 7, highWatermark: 0 });
  store.forgetCheckpoints();
  assert.equal(opened(store.open(topicOn([0]), 0)).logStartOffset, 0);
  write(files, metadata, whole);
  assert.equal(opened(store.open(damaged, 0)).logStartOffset, 7);
});

Deno.test("after LogStore.forget() a log that could not be opened starts at 0, because its topic was deleted", () => {
  const files = new CrashingFileSystem(() => 0.5);
  write(files, `${LOG_DIRECTORY}/log-start-offset-checkpoint`, "0\n1\nt 0 3\n");
  const { store } = create(files);
  store.forget(topicOn([0]), 0);
  assert.equal(opened(store.open(topicOn([0]), 0)).logStartOffset, 0);
});

Deno.test("LogStore.open() recovers a log that was handed over and could not be opened, even after a clean stop", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const { store } = create(files, { cleanShutdown: true });
  const topic = topicOn([0]);
  const log = opened(store.open(topic, 0));
  store.forgetCheckpoints();
  for (let count = 0; count < 5; count++) append(log, [{ value: "x" }]);
  assert.ok(log.handOver());
  const { logEndOffset, recoveryPoint } = log;
  assert.equal(recoveryPoint, 0);
  const row = { ...emptyWatermarks(), highWatermark: logEndOffset, logEndOffset, recoveryPoint };
  files.capacityBytes = 0;
  assert.equal(typeof store.open(topic, 0, row), "string");
  files.capacityBytes = Infinity;
  const again = opened(store.open(topic, 0));
  assert.deepEqual([again.logEndOffset, again.recoveryPoint], [5, 0], "nothing of it was ever flushed");
});

Deno.test("LogStore.open() opens as many existing logs as there are descriptors for, and every new log", () => {
  const files = new CrashingFileSystem(() => 0.5);
  const topic = topicOn([0, 0, 0, 0, 0]);
  const { store } = create(files, { logsMax: 2 });
  const open = (partition: number) => store.open(topic, partition);
  for (const partition of [0, 1]) opened(open(partition));
  for (const partition of [2, 3]) assert.equal(open(partition), NO_DESCRIPTORS);
  assert.ok(!files.files().some(([path]) => path.startsWith(`${LOG_DIRECTORY}/t-2/`)));
  store.forgetCheckpoints();
  opened(open(4));
  assert.equal(open(2), NO_DESCRIPTORS, "a change of the topic does not open what had no room");
  store.forget(topic, 2);
  opened(open(2));
});
