import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import { RecordQueue } from "./record_queue.ts";
import { RECORD_FLOATS, RECORD_INTS, type RingRecord } from "./ring.ts";

function write({ ints, int, floats, float }: RingRecord, value: number): void {
  for (let word = 0; word < RECORD_INTS; word++) ints[int + word] = value + word;
  for (let word = 0; word < RECORD_FLOATS; word++) floats[float + word] = (value + word) * 2 ** 40;
}

function read({ ints, int, floats, float }: RingRecord): number {
  const value = ints[int] as number;
  for (let word = 0; word < RECORD_INTS; word++) assert.equal(ints[int + word], value + word);
  for (let word = 0; word < RECORD_FLOATS; word++) assert.equal(floats[float + word], (value + word) * 2 ** 40);
  return value;
}

Deno.test("RecordQueue keeps every word of every record and their order while it grows, wraps and is emptied", () => {
  const seed = Number(Deno.env.get("BARNABAS_SEED") ?? 3);
  const random = createRandom(seed);
  const queue = new RecordQueue();
  let [added, taken] = [0, 0];
  for (let step = 0; step < 2000; step++) {
    for (let left = Math.floor(random() * 200); left > 0; left--) {
      write(queue.begin(), added++);
      queue.commit();
    }
    for (let left = Math.floor(random() * 210); left > 0 && queue.count > 0; left--) {
      assert.equal(read(queue.first), taken++, `seed ${seed}`);
      queue.take();
    }
    assert.equal(queue.count, added - taken);
  }
  while (queue.count > 0) {
    assert.equal(read(queue.first), taken++, `seed ${seed}`);
    queue.take();
  }
  assert.equal(taken, added);
});

Deno.test("RecordQueue allocates nothing for a record while it has room", () => {
  const queue = new RecordQueue();
  const round = () => {
    for (let value = 0; value < 50; value++) {
      queue.begin();
      queue.commit();
    }
    const { ints } = queue.first;
    while (queue.count > 0) queue.take();
    return ints;
  };
  assert.equal(round(), round(), "the same memory serves the next records");
});

Deno.test("RecordQueue frees the memory of many records when it is empty", () => {
  const queue = new RecordQueue();
  for (let value = 0; value < 100_000; value++) {
    write(queue.begin(), value);
    queue.commit();
  }
  assert.ok(queue.first.ints.length > 100_000 * RECORD_INTS);
  while (queue.count > 0) queue.take();
  assert.ok(queue.begin().ints.length < 10_000);
});
