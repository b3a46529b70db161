import assert from "node:assert/strict";
import { jsonLines } from "./json_lines.ts";

const encoder = new TextEncoder();

async function linesOf(chunks: readonly Uint8Array[], lineBytesMax = 100): Promise<unknown[]> {
  return await Array.fromAsync(jsonLines(ReadableStream.from(chunks), lineBytesMax));
}

Deno.test("jsonLines() yields the same values wherever the stream is cut, and no line without its end", async () => {
  const bytes = encoder.encode('{"a":"ü\u{1f40c}"}\n\n{"b":1}\n{"c":');
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second += 3) {
      const chunks = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      assert.deepEqual(await linesOf(chunks), [{ a: "ü\u{1f40c}" }, { b: 1 }], `${first}, ${second}`);
    }
  }
});

Deno.test("jsonLines() refuses a line above the limit before it has all of it, and one that is no JSON", async () => {
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(10).fill(0x61));
    },
  });
  await assert.rejects(Array.fromAsync(jsonLines(endless, 100)), /longer than 100 bytes/);
  assert.ok(pulled < 20, `${pulled} chunks`);
  await assert.rejects(linesOf([encoder.encode("nonsense\n")]), /no JSON/);
});
