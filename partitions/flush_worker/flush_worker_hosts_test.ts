/** The flush workers of two log directories, with real files. */
import { strict as assert } from "node:assert";
import type { FlushOutcome, FlushRequest } from "../../storage/mod.ts";
import { linuxFileSystem } from "../../storage/sys/file_system.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import {
  allocateSharedState,
  flushWorkerNumber,
  FlushWorkerWords,
  inbox,
  releaseSharedState,
} from "../shared/shared_state.ts";
import { FLUSH_WORKER } from "../shared/words.ts";
import { FlushLine } from "./flush_line.ts";
import { FlushWorkerHosts } from "./flush_worker_hosts.ts";

/** A turn of the event loop. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

Deno.test("each log directory has a flush worker of its own, which is started for its first group and ends when the broker stops", async () => {
  await withDirectory(async (directory) => {
    const fds = ["a", "b"].map((name) => linuxFileSystem.open(`${directory}/${name}`, { write: true, create: true }));
    const state = allocateSharedState(2, 2);
    const failures: string[] = [];
    const hosts = new FlushWorkerHosts(state, ({ message }) => void failures.push(message));
    const areServing = () => [0, 1].map((at) => new FlushWorkerWords(state, at).get(FLUSH_WORKER.isServing) === 1);
    const answers: [sender: number, outcomes: readonly FlushOutcome[]][] = [];
    let unservedCount = 0;
    const lines = FlushLine.allOf(state, 1, {
      onUnserved: (at) => {
        unservedCount++;
        hosts.start(at);
      },
      flushElsewhere: (requests, done) => done(requests.map(() => "postponed")),
    });
    const mail = inbox(state, 1);
    const flush = async (at: number) => {
      const request = { fds: [fds[at]], directories: [] as string[] } as unknown as FlushRequest;
      let answer: readonly FlushOutcome[] | null = null;
      lines[at]?.flush([request], (outcomes) => void (answer = outcomes));
      while (answer === null) {
        await turn();
        mail.drain((sender, record) => {
          assert.ok(lines[at]?.receive(record));
          if (answer !== null) answers.push([sender, answer]);
        });
      }
      return answer;
    };

    assert.equal(hosts.areRunning, false, "a fresh broker has none");
    assert.deepEqual(await flush(1), ["postponed"]);
    while (!areServing()[1]) await turn();
    assert.deepEqual(areServing(), [false, true]);
    assert.deepEqual(await flush(1), ["flushed"]);
    assert.deepEqual(await flush(0), ["postponed"]);
    while (!areServing()[0]) await turn();
    assert.deepEqual([await flush(0), await flush(1)], [["flushed"], ["flushed"]]);
    assert.deepEqual(answers.map(([sender]) => sender), [1, 0, 1].map((at) => flushWorkerNumber(2, at)));
    assert.equal(unservedCount, 2);
    await hosts.stop();
    assert.deepEqual([hosts.areRunning, areServing(), failures], [false, [false, false], []]);
    releaseSharedState(state);
    for (const fd of fds) linuxFileSystem.close(fd);
  });
});
