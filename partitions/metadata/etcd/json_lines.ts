/**
 * Splits a stream into lines of JSON, each up to a limit. Main isolate.
 */

/** A line that is longer than the limit, or no JSON. */
export class JsonLineError extends Error {
  override name = "JsonLineError";
}

/**
 * The values of a stream's lines. A line without its end is left out.
 * @param chunks the stream
 * @param lineBytesMax longest line
 * @throws JsonLineError @throws what the stream throws
 */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>, lineBytesMax: number): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      parts.push(decoder.decode(chunk.subarray(start, end)));
      const line = parts.join("");
      parts = [];
      bytes = 0;
      start = end + 1;
      if (line.trim() !== "") yield parse(line);
    }
    bytes += chunk.length - start;
    if (bytes > lineBytesMax) throw new JsonLineError(`a line is longer than ${lineBytesMax} bytes`);
    parts.push(decoder.decode(chunk.subarray(start), { stream: true }));
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new JsonLineError("a line is no JSON", { cause: error });
  }
}
