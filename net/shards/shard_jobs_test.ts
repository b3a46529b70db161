import { strict as assert } from "node:assert";
import { toOffset } from "../../storage/base/units.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { defaultRules } from "../../tests/produced_batch.ts";
import { ShardJobs } from "./shard_jobs.ts";
import type { ToShard } from "./shard_messages.ts";

const ARENA_BYTES = 65_536;

/** Jobs of one shard, with what it is sent. */
class Scene implements Disposable {
  readonly arena = new SharedArrayBuffer(ARENA_BYTES);
  readonly warnings: string[] = [];
  readonly sent: ToShard[] = [];
  readonly jobs = new ShardJobs({
    arenas: [this.arena],
    post: (_, content) => void this.sent.push(content),
    report: ({ text }) => void this.warnings.push(text),
    onFlushFailed: () => {},
  });

  [Symbol.dispose](): void {
    this.jobs[Symbol.dispose]();
  }
}

Deno.test("a codec worker that fails costs its batch alone: it is refused and reported, and the next one is done", async () => {
  using scene = new Scene();
  const batch = buildBatch([{ value: "x".repeat(1000) }], { codec: "gzip" });
  new Uint8Array(scene.arena).set(batch);
  const work = { start: 0, length: batch.length, rules: defaultRules };
  scene.jobs.begin(0, { type: "transcode", id: 1, work: { ...work, arena: 7 } });
  await scene.jobs.ended();
  scene.jobs.begin(0, { type: "transcode", id: 2, work: { ...work, arena: 0 } });
  await scene.jobs.ended();
  const answers = scene.sent.map((sent) => sent.type === "transcoded" ? [sent.id, sent.answer.refusal] : sent.type);
  assert.deepEqual(answers, [[1, "broken-compression"], [2, null]]);
  assert.match(
    scene.warnings.join(),
    /^A codec worker failed: .*Its batch is refused, the broker goes on; please report this/,
  );
});

Deno.test("a codec worker that fails while it searches finds nothing, as in a damaged batch", async () => {
  using scene = new Scene();
  const search = { type: "first", target: null } as unknown as Parameters<ShardJobs["begin"]>[1];
  const work = { batch: new ArrayBuffer(3), search } as unknown as Extract<
    Parameters<ShardJobs["begin"]>[1],
    { type: "search" }
  >["work"];
  scene.jobs.begin(0, { type: "search", id: 5, work });
  await scene.jobs.ended();
  assert.deepEqual(scene.sent, [{ type: "found", id: 5, record: { offset: toOffset(-1), timestamp: -1 } }]);
  assert.equal(scene.warnings.length, 1);
});
