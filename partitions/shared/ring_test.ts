import { strict as assert } from "node:assert";
import { allocateRing, RingConsumer, RingProducer } from "./ring.ts";

function pair(recordsMax: number) {
  const memory = allocateRing(recordsMax);
  return { producer: new RingProducer(memory), consumer: new RingConsumer(memory) };
}

function put(producer: RingProducer, value: number): boolean {
  const record = producer.reserve();
  if (record === null) return false;
  record.ints[record.int] = value;
  record.ints[record.int + 15] = -value;
  record.floats[record.float] = value + 0.5;
  record.floats[record.float + 7] = value * 2 ** 40;
  producer.publish();
  return true;
}

Deno.test("RingConsumer.peek() gives records in order and every word intact, while the ring wraps many times", () => {
  const { producer, consumer } = pair(8);
  for (let value = 1; value <= 1000; value++) {
    assert.ok(put(producer, value));
    if (value % 3 !== 0) continue;
    for (let expected = value - 2; expected <= value; expected++) {
      const record = consumer.peek();
      assert.ok(record !== null);
      assert.equal(record.ints[record.int], expected);
      assert.equal(record.ints[record.int + 15], -expected);
      assert.equal(record.floats[record.float], expected + 0.5);
      assert.equal(record.floats[record.float + 7], expected * 2 ** 40);
      consumer.take();
    }
  }
});

Deno.test("RingProducer.reserve() gives null while the ring is full, and a record once one was taken", () => {
  const { producer, consumer } = pair(4);
  for (let value = 0; value < 4; value++) assert.ok(put(producer, value));
  assert.equal(put(producer, 4), false);
  assert.ok(consumer.peek() !== null);
  consumer.take();
  assert.ok(put(producer, 4));
  assert.equal(put(producer, 5), false);
});

Deno.test("RingConsumer.peek() sees nothing before publish()", () => {
  const { producer, consumer } = pair(4);
  producer.reserve();
  assert.equal(consumer.peek(), null);
  producer.publish();
  assert.ok(consumer.peek() !== null);
});

Deno.test("a ring between two isolates loses, repeats and tears nothing", async () => {
  const memory = allocateRing(64);
  const count = 200_000;
  const source = `
    import { RingProducer } from ${JSON.stringify(new URL("./ring.ts", import.meta.url).href)};
    self.onmessage = ({ data }) => {
      const producer = new RingProducer(data.memory);
      for (let value = 0; value < data.count;) {
        const record = producer.reserve();
        if (record === null) continue;
        for (let k = 0; k < 16; k++) record.ints[record.int + k] = value + k;
        for (let k = 0; k < 8; k++) record.floats[record.float + k] = value * 1e6 + k;
        producer.publish();
        value++;
      }
      self.close();
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  const worker = new Worker(url, { type: "module" });
  worker.postMessage({ memory, count });
  const consumer = new RingConsumer(memory);
  for (let value = 0; value < count;) {
    const record = consumer.peek();
    if (record === null) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      continue;
    }
    for (let k = 0; k < 16; k++) if (record.ints[record.int + k] !== value + k) assert.fail(`torn at ${value}`);
    for (let k = 0; k < 8; k++) {
      if (record.floats[record.float + k] !== value * 1e6 + k) assert.fail(`torn at ${value}`);
    }
    consumer.take();
    value++;
  }
  assert.equal(consumer.peek(), null);
  worker.terminate();
});
