/**
 * Cost of decompressing (searches by time, compacted topics) and compressing 1 MiB of JSON-like records, by codec.
 * Run: deno bench -A bench/compression_bench.ts
 */
import { compress, decompress } from "../storage/records/compression/compression.ts";
import { codecNames } from "../storage/records/record_batch.ts";

const CONTENT_BYTES = 1 << 20;

/** Records with the same fields and different values, from a fixed sequence. */
function content(): Uint8Array {
  const fields = ['{"id":', ',"user":"', '","amount":', ',"currency":"EUR"}', ',"at":'];
  let state = 1;
  const parts: string[] = [];
  for (let length = 0; length < CONTENT_BYTES; length += parts.at(-1)!.length) {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    parts.push(fields[parts.length % fields.length]! + (state >>> 12));
  }
  return new TextEncoder().encode(parts.join("")).subarray(0, CONTENT_BYTES);
}

const plain = content();
for (const [codec, name] of codecNames.entries()) {
  if (codec === 0) continue;
  const packed = compress(codec, plain);
  const group = `${name}, ${(plain.length / packed.length).toFixed(1)} : 1`;
  Deno.bench("decompress() 1 MiB", { group }, () => {
    decompress(codec, packed, { outputBytesMax: CONTENT_BYTES });
  });
  Deno.bench("compress() 1 MiB", { group }, () => {
    compress(codec, plain);
  });
}
