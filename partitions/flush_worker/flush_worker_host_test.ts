/** The worker itself, with real files. */
import { strict as assert } from "node:assert";
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import { linuxFileSystem } from "../../storage/sys/file_system.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { kind } from "../shared/messages.ts";
import {
  allocateSharedState,
  flushOutbox,
  FlushWorkerWords,
  inbox,
  releaseSharedState,
} from "../shared/shared_state.ts";
import { FLUSH_WORKER } from "../shared/words.ts";
import { FlushLine } from "./flush_line.ts";
import { FlushWorkerHost } from "./flush_worker_host.ts";

/** A turn of the event loop. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

/** A host, and the lines of two shards, all of one log directory. */
class Fixture implements AsyncDisposable {
  readonly state = allocateSharedState(2);
  readonly failures: string[] = [];
  readonly host: FlushWorkerHost;
  readonly words = new FlushWorkerWords(this.state, 0);
  /** Groups that were flushed without the worker, because it had ended just before. */
  elsewhere = 0;
  readonly #mails = [inbox(this.state, 0), inbox(this.state, 1)];
  readonly #lines: FlushLine[];

  constructor(options: { idleMs?: number } = {}) {
    this.host = new FlushWorkerHost(this.state, ({ message }) => void this.failures.push(message), {
      ...options,
      directory: 0,
    });
    this.#lines = [0, 1].map((shard) =>
      new FlushLine({
        outbox: flushOutbox(this.state, { shard, directory: 0 }),
        isServing: () => this.isServing,
        onUnserved: () => this.host.start(),
        flushElsewhere: (requests, done) => {
          this.elsewhere++;
          setTimeout(() => done(requests.map(() => "flushed")));
        },
      })
    );
  }

  get isServing(): boolean {
    return this.words.get(FLUSH_WORKER.isServing) === 1;
  }

  /** Starts the worker. @returns when it serves */
  async serve(): Promise<void> {
    this.host.start();
    while (!this.isServing) await turn();
  }

  /** Flushes files, one for each partition. */
  async flush(shard: 0 | 1, ...fds: number[]): Promise<readonly FlushOutcome[]> {
    let answer: readonly FlushOutcome[] | null = null;
    const requests = fds.map((fd) => ({ fds: [fd], directories: [] as string[] }) as unknown as FlushRequest);
    this.#lines[shard]?.flush(requests, (outcomes) => void (answer = outcomes));
    while (answer === null) {
      await turn();
      this.#mails[shard]?.drain((_sender, record) => void this.#lines[shard]?.receive(record));
    }
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop();
    assert.equal(this.host.isRunning, false);
    releaseSharedState(this.state);
  }
}

/** Three files, and one that cannot be flushed: man 2 fdatasync, EINVAL. */
async function withFiles(use: (fds: number[], unflushable: number) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const open = (name: string) => linuxFileSystem.open(`${directory}/${name}`, { write: true, create: true });
    const fds = ["a", "b", "c"].map(open);
    const unflushable = linuxFileSystem.open("/proc/self/comm", { write: true });
    await use(fds, unflushable);
    for (const fd of [...fds, unflushable]) linuxFileSystem.close(fd);
  });
}

Deno.test("the flush worker answers each shard with the outcomes of its files, and ends when the broker stops", async () => {
  await withFiles(async ([a = -1, b = -1, c = -1], unflushable) => {
    await using fixture = new Fixture();
    assert.equal(fixture.host.isRunning, false, "a fresh broker has none");
    await fixture.serve();
    fixture.host.start();
    assert.deepEqual(await fixture.flush(0, a), ["flushed"]);
    const both = [fixture.flush(0, a, unflushable, b), fixture.flush(1, c, a)];
    assert.deepEqual(await Promise.all(both), [["flushed", "failed", "flushed"], ["flushed", "flushed"]]);
    assert.deepEqual(await fixture.flush(1, unflushable), ["failed"]);
    await fixture.host.stop();
    assert.deepEqual([fixture.isServing, fixture.elsewhere, fixture.failures], [false, 0, []]);
    fixture.host.start();
    assert.equal(fixture.host.isRunning, false, "none is started after the stop");
  });
});

Deno.test("the flush worker ends when it is idle, and is started again", async () => {
  await withFiles(async ([a = -1]) => {
    await using fixture = new Fixture({ idleMs: 20 });
    for (let round = 0; round < 2; round++) {
      await fixture.serve();
      while (fixture.host.isRunning) await turn();
      assert.equal(fixture.isServing, false);
    }
    await fixture.serve();
    fixture.host.start();
    if (fixture.isServing) assert.deepEqual(await fixture.flush(1, a), ["flushed"]);
  });
});

Deno.test("a group that is sent while the flush worker ends is answered once, by it or by the next one", async () => {
  await withFiles(async ([a = -1, b = -1]) => {
    await using fixture = new Fixture({ idleMs: 1 });
    let sent = 0;
    for (const untilMs = performance.now() + 2000; performance.now() < untilMs;) {
      if (!fixture.host.isRunning) fixture.host.start();
      // Not at a time that depends on the answers: the worker ends between two groups, or during one.
      for (let left = sent % 7; left > 0; left--) await turn();
      if (!fixture.isServing) await turn();
      else {
        sent++;
        assert.deepEqual(await fixture.flush(sent % 2 === 0 ? 0 : 1, a, b), ["flushed", "flushed"]);
      }
    }
    assert.ok(sent > fixture.elsewhere, `${sent} groups, ${fixture.elsewhere} of them without the worker`);
    assert.deepEqual(fixture.failures, []);
  });
});

Deno.test("a flush worker that fails is reported with a sentence", async () => {
  const fixture = new Fixture();
  await fixture.serve();
  const outbox = flushOutbox(fixture.state, { shard: 0, directory: 0 });
  outbox.begin(kind.watermark);
  outbox.commit();
  while (fixture.failures.length === 0) await turn();
  assert.match(fixture.failures.join(), /^The flush worker failed: .*the flush worker gets flushes only/);
  assert.equal(fixture.host.isRunning, false);
  await fixture[Symbol.asyncDispose]();
});
