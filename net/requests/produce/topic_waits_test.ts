import { strict as assert } from "node:assert";
import type { ControlClient } from "../../../partitions/mod.ts";
import { TestShards } from "../../../partitions/owned/partition_testing.ts";
import { TopicWait, TopicWaits } from "./topic_waits.ts";

class Fixture implements Disposable {
  readonly world = new TestShards(1);
  readonly questions: (() => void)[] = [];
  readonly resumed: string[] = [];
  readonly waits: TopicWaits;

  constructor() {
    const control: ControlClient = {
      call: (name, _args, done) => {
        assert.equal(name, "awaitChanges");
        this.questions.push(() => done({} as never));
      },
    };
    this.waits = new TopicWaits({ control, purgatory: this.world.at(0).purgatory, clock: this.world.clock });
  }

  add(name: string, bytes = 1): TopicWait {
    const wait = new TopicWait(bytes, () => void this.resumed.push(name));
    assert.ok(this.waits.hasRoom(wait));
    this.waits.add(wait);
    return wait;
  }

  advance(ms: number): void {
    this.world.clock.advance(ms);
    this.world.at(0).purgatory.expire(this.world.clock.monotonicMs());
  }

  [Symbol.dispose](): void {
    assert.equal(this.waits.count, 0);
    assert.equal(this.world.at(0).purgatory.waitingCount, 0);
    this.world[Symbol.dispose]();
  }
}

Deno.test("TopicWaits asks one question at a time; later requests wait for the next one; all continue in their order", () => {
  using fixture = new Fixture();
  fixture.add("a");
  fixture.add("b");
  fixture.add("c");
  assert.equal(fixture.questions.length, 1);
  fixture.questions.shift()?.();
  assert.deepEqual([fixture.resumed, fixture.questions.length], [["a"], 1], "b and c may know of a later creation");
  fixture.add("d");
  fixture.questions.shift()?.();
  assert.deepEqual(fixture.resumed, ["a", "b", "c"]);
  fixture.questions.shift()?.();
  assert.deepEqual([fixture.resumed, fixture.questions.length], [["a", "b", "c", "d"], 0]);
});

Deno.test("TopicWaits resumes a request after 2 s, once, and forgets one whose connection has closed", () => {
  using fixture = new Fixture();
  fixture.add("slow");
  const gone = fixture.add("gone");
  assert.deepEqual([fixture.waits.remove(gone), fixture.waits.remove(gone)], [true, false]);
  fixture.advance(1_999);
  assert.deepEqual(fixture.resumed, []);
  fixture.advance(1);
  assert.deepEqual(fixture.resumed, ["slow"]);
  while (fixture.questions.length > 0) fixture.questions.shift()?.();
  assert.deepEqual(fixture.resumed, ["slow"]);
});

Deno.test("TopicWaits has room for 32 MiB, small requests counted by the blocks that they keep", () => {
  for (const [bytes, count] of [[1, 128], [8 * 1024 * 1024, 4]] as const) {
    using fixture = new Fixture();
    for (let index = 0; index < count; index++) fixture.add("x", bytes);
    assert.equal(fixture.waits.hasRoom(new TopicWait(1, () => {})), false);
    fixture.questions.shift()?.();
    assert.equal(fixture.waits.hasRoom(new TopicWait(1, () => {})), true);
    fixture.questions.shift()?.();
  }
});
