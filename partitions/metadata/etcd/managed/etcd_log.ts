/**
 * The log of an etcd that the broker has started: kept small, and read for the sentence of a failure. Main isolate.
 */

/** Bytes that are read from the log's end; the last error is among them. */
const TAIL_BYTES = 16 * 1024;
const SENTENCE_MAX = 300;

/** Puts a log aside that has grown above a size, in the place of the one before it. @throws the runtime's errors */
export async function putLogAside(path: string, bytesMax: number): Promise<void> {
  try {
    const { size } = await Deno.stat(path);
    if (size > bytesMax) await Deno.rename(path, `${path}.old`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // nothing was written yet
  }
}

/** Why etcd has ended, by its log: its last error, or its last line. @returns "" when it has said nothing */
export async function lastError(path: string): Promise<string> {
  const lines = (await tailOf(path)).split("\n").filter((line) => line.trim() !== "");
  const errors = lines.flatMap((line) => errorIn(line) ?? []);
  return (errors.at(-1) ?? lines.at(-1) ?? "").slice(0, SENTENCE_MAX);
}

/** The sentence of a line of JSON, which zap makes of every error. */
function errorIn(line: string): string | null {
  try {
    const { level, msg, error } = (JSON.parse(line) ?? {}) as Record<string, unknown>;
    if (typeof msg !== "string" || !["error", "panic", "fatal"].includes(String(level))) return null;
    return typeof error === "string" ? `${msg}: ${error}` : msg;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // a stack, or the cut begin of the tail
    throw error;
  }
}

async function tailOf(path: string): Promise<string> {
  try {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    await file.seek(Math.max(0, size - TAIL_BYTES), Deno.SeekMode.Start);
    const bytes = new Uint8Array(TAIL_BYTES);
    let length = 0;
    for (let count: number | null = 0; count !== null && length < TAIL_BYTES; length += count ?? 0) {
      count = await file.read(bytes.subarray(length));
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
