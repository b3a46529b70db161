import { strict as assert } from "node:assert";
import { linuxFileSystem } from "../sys/file_system.ts";
import { encodeOffsetCheckpoint, partitionKey, readOffsetCheckpoint } from "./offset_checkpoint.ts";

const golden = new URL("../../tests/golden/storage/", import.meta.url).pathname;

Deno.test("readOffsetCheckpoint() reads Kafka's files, and encodeOffsetCheckpoint() reproduces them byte for byte", () => {
  for (const name of ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint"]) {
    const offsets = readOffsetCheckpoint(linuxFileSystem, golden + name);
    assert.ok(typeof offsets !== "string", String(offsets));
    const entries = Array.from(offsets, ([key, offset]) => {
      const [topic = "", partition] = key.split(" ");
      return { topic, partition: Number(partition), offset };
    });
    assert.equal(encodeOffsetCheckpoint(entries), Deno.readTextFileSync(golden + name));
  }
  const offsets = readOffsetCheckpoint(linuxFileSystem, `${golden}recovery-point-offset-checkpoint`);
  assert.deepEqual(offsets, new Map([[partitionKey("golden", 0), 120]]));
});

/** Reads a checkpoint with this content. */
function read(content: string): Map<string, number> | string {
  return readOffsetCheckpoint({ ...linuxFileSystem, readFile: () => new TextEncoder().encode(content) }, "");
}

Deno.test("readOffsetCheckpoint() finds no offsets in a missing or empty file", () => {
  assert.deepEqual(readOffsetCheckpoint(linuxFileSystem, "/nowhere/at/all"), new Map());
  assert.deepEqual(read(""), new Map());
  assert.deepEqual(read("0\n0\n"), new Map());
});

Deno.test("readOffsetCheckpoint() refuses every truncation with a sentence", () => {
  const content = "0\n3\nfirst 0 12\nfirst 1 3456\nsecond.topic_x-y 10 9007199254740991\n";
  const whole = read(content);
  assert.ok(typeof whole !== "string");
  assert.deepEqual([...whole.values()], [12, 3456, Number.MAX_SAFE_INTEGER]);
  for (let length = 1; length < content.length; length++) {
    const found = read(content.slice(0, length));
    assert.ok(typeof found === "string" && found.length > 10, JSON.stringify(content.slice(0, length)));
  }
});

Deno.test("readOffsetCheckpoint() refuses damaged lines and never throws on flipped bits", () => {
  const damaged = [
    "1\n0\n",
    "0\n",
    "x\n0\n",
    "0\n1\n",
    "0\n99999999999999999999\nt 0 1\n",
    "0\n1\nt 0\n",
    "0\n1\nt 0 1 2\n",
    "0\n1\nt -1 1\n",
    "0\n1\nt 2147483648 1\n",
    "0\n1\nt 0 -1\n",
    "0\n1\nt 0 9007199254740993\n",
    "0\n1\n 0 1\n",
    "0\n1\nt 0 0x1\n",
    "0\n2\nt 0 1\nt 0 2\n",
    "0\n1\nt 0 1\n\n",
  ];
  for (const content of damaged) assert.equal(typeof read(content), "string", JSON.stringify(content));
  const bytes = new TextEncoder().encode("0\n2\nt 0 1\nu 1 25\n");
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    readOffsetCheckpoint({ ...linuxFileSystem, readFile: () => flipped }, "");
  }
});
