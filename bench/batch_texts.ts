/** Realistic records for benchmarks of codecs: JSON with the same fields and different values, from a fixed sequence. */

const WORDS =
  "order payment customer shipped pending Zürich invoice cancelled refund warehouse delivery address retry express parcel";

/** Text of about 2 : 1 by lz4 and 3 : 1 by zstd, as log lines and events have. @param bytes its size */
export function jsonText(bytes: number): Uint8Array {
  const words = WORDS.split(" ");
  let state = 1;
  const below = (limit: number) => {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    return (state >>> 8) % limit;
  };
  const parts: string[] = [];
  for (let length = 0; length < bytes; length += parts.at(-1)!.length) {
    const message = Array.from({ length: 8 }, () => words[below(words.length)]! + below(100)).join(" ");
    const [id, amount, at] = [below(1e9), below(100_000) / 100, 1_700_000_000_000 + below(1e7)];
    parts.push(`{"id":${id},"user":"u${below(5000)}","message":"${message}","amount":${amount},"at":${at}}`);
  }
  return new TextEncoder().encode(parts.join("")).subarray(0, bytes);
}
